//! ex05: Gopher, RFC 1436.

mod bad;
mod content;
mod crowd;
mod files;
mod folders;
mod items;
mod menu;
mod outside;
mod texts;
mod world;

use std::thread;
use std::time::Duration;

use harness::Deadline;

use crate::client::{Client, ReadEnd, let_accept};
use crate::finding::{Finding, quoted};
use crate::ladder::{Exercise, Rung};
use crate::start;
use crate::trial::{ANSWER_TIME, Server, Trial};
use world::World;

/// A Gopher server.
pub static GOPHER: Exercise = Exercise {
    name: "ex05",
    folder: "05_gopher",
    title: "a Gopher server",
    rungs: &[
        Rung { name: "it starts", try_it: it_starts },
        Rung { name: "the menu", try_it: menu::menu },
        Rung { name: "texts", try_it: texts::texts },
        Rung { name: "other files, byte for byte", try_it: files::binaries },
        Rung { name: "folders in folders", try_it: folders::folders },
        Rung { name: "nothing outside the folder", try_it: outside::outside },
        Rung { name: "many at once", try_it: crowd::many_at_once },
        Rung { name: "a bad client harms nobody", try_it: bad::bad_clients },
    ],
};

/// How long we wait before we ask again where there may be no room yet.
const PAUSE: Duration = Duration::from_millis(50);

fn it_starts(trial: &Trial) -> Result<(), Finding> {
    let world = World::with(&[])?;
    start::it_starts(trial, &["--dir", &world.dir()])?;
    start::on_hosts(trial, &["--dir", &world.dir()])
}

fn soon() -> Deadline {
    Deadline::after(ANSWER_TIME)
}

/// Asks for a selector, and returns the answer: all up to the end.
fn fetch(
    server: &Server<'_>,
    name: &str,
    selector: impl AsRef<[u8]>,
) -> Result<Vec<u8>, Finding> {
    answer(&mut asks(server, name, selector)?)
}

/// A client who has asked for a selector.
fn asks<'s>(
    server: &'s Server<'_>,
    name: &str,
    selector: impl AsRef<[u8]>,
) -> Result<Client<'s>, Finding> {
    let mut client = server.connect(name)?;
    client.send([selector.as_ref(), b"\r\n"].concat())?;
    Ok(client)
}

/// Asks for several selectors, each by a client of its own, at the same time.
fn fetch_all(
    server: &Server<'_>,
    selectors: &[String],
) -> Result<Vec<Vec<u8>>, Finding> {
    let mut clients = ask_all(server, selectors)?;
    clients.iter_mut().map(answer).collect()
}

/// Clients who have asked for one selector each.
fn ask_all<'s>(
    server: &'s Server<'_>,
    selectors: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Result<Vec<Client<'s>>, Finding> {
    let ask = |(nth, selector)| {
        let_accept(nth);
        asks(server, "A", selector)
    };
    (1..).zip(selectors).map(ask).collect()
}

/// All that comes up to the end of the connection.
fn answer(client: &mut Client<'_>) -> Result<Vec<u8>, Finding> {
    let (bytes, end) = client.hear_out(soon());
    if end == ReadEnd::End {
        return Ok(bytes);
    }
    let means = match (end, bytes.is_empty()) {
        (ReadEnd::Silence, true) => {
            "the server is busy with another client, or waits for more than \
             the selector and its \\r\\n, perhaps for the end of what the \
             client sends."
        }
        (ReadEnd::Silence, false) => {
            "the connection was not closed. In Gopher the end of the \
             connection ends the answer."
        }
        _ => {
            "perhaps the server closed the connection without reading all of \
             the selector: unread bytes turn the close into a reset. Read up \
             to the line feed, then answer."
        }
    };
    let came = format!("{}, then {end}", quoted(&bytes));
    Err(Finding::new(came, "an answer, then the end of the connection", means))
}

/// Asks until the answer is right, for a few seconds: there may be no room
/// until the server has seen that others are gone.
fn ask_again<T>(
    server: &Server<'_>,
    name: &str,
    selector: &str,
    judge: impl Fn(&[u8]) -> Result<T, Finding>,
) -> Result<T, Finding> {
    let until = soon();
    loop {
        let came = fetch(server, name, selector);
        let ended = came.and_then(|came| judge(&came));
        if ended.is_ok() || until.is_over() {
            return ended;
        }
        thread::sleep(PAUSE);
    }
}
