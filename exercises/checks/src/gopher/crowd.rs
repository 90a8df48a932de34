//! The rung "many at once".

use std::thread;
use std::time::{Duration, Instant};

use harness::Deadline;

use crate::client::Client;
use crate::finding::Finding;
use crate::trial::{Server, Trial};

use super::content::{NOTES, large};
use super::files::{compare_bytes, large_file};
use super::items::{fetch_menu, find, items};
use super::texts::is_notes;
use super::world::World;
use super::{PAUSE, answer, ask_again, fetch_all, soon};

/// How many clients a server has room for, at least.
const ROOM: usize = 50;

/// How many of them are silent: three are slow, and one asks.
const SILENT: usize = ROOM - 4;

/// How many clients ask at the same time, and how often in a row: with those
/// before, they are more than 300.
const CROWD: usize = 40;
const CROWDS: usize = 7;

/// A silence for which nobody is let go: 2 seconds, less what our own steps
/// take.
const SILENCE: Duration = Duration::from_millis(1800);

pub(super) fn many_at_once(trial: &Trial) -> Result<(), Finding> {
    let world = World::with(&[World::large])?;
    let server = world.start(trial)?;
    let menu = fetch_menu(&server, "")?;
    let notes = find(&menu, NOTES.0)?.selector;
    let large_file = large_file(&server, &menu)?;

    let silent = server.silent_clients(SILENT)?;
    let (drip, rest) = half_asked(&server, &notes)?;
    let begun = Instant::now();
    ask_again(&server, "A", &notes, is_notes).map_err(busy)?;
    let stuck =
        asks_and_waits(&large_file, || server.connect_with_little_room("S"))?;
    let slow =
        asks_and_waits(&large_file, || server.connect_with_some_room("T"))?;
    let unread = Instant::now();
    trial.note("S and T do not read the answers");
    ask_again(&server, "B", &notes, is_notes).map_err(busy)?;
    ask_again(&server, "C", "", |menu| items(menu).map(drop)).map_err(busy)?;

    ends_asking(drip, &rest, begun).map_err(given_up)?;
    all_answered(silent, &notes).map_err(given_up)?;
    reads_at_last(slow, unread)?;
    crowds(&server, &notes)?;
    // Not before: it breaks the connection off, which is the next rung's.
    drop(stuck);
    Ok(())
}

/// A client who has sent the first letter of a selector, and the rest of it.
fn half_asked<'s>(
    server: &'s Server<'_>,
    selector: &str,
) -> Result<(Client<'s>, String), Finding> {
    let first = selector.chars().next().map_or(0, char::len_utf8);
    let (first, rest) = selector.split_at(first);
    let mut drip = server.connect("D")?;
    drip.send(first)?;
    Ok((drip, format!("{rest}\r\n")))
}

/// A client who asks for the large file, and does not read it: once it begins
/// to come, the server is in the middle of sending.
fn asks_and_waits<'s>(
    large_file: &str,
    connect: impl Fn() -> Result<Client<'s>, Finding>,
) -> Result<Client<'s>, Finding> {
    let until = soon();
    loop {
        let mut client = connect()?;
        client.send(format!("{large_file}\r\n"))?;
        let first = client.first_byte(Deadline::after(SILENCE));
        // There may be no room yet: then something else has come.
        let other = first.is_some_and(|first| !large().starts_with(&[first]));
        if !other || until.is_over() {
            return Ok(client);
        }
        thread::sleep(PAUSE);
    }
}

/// The rest of a selector comes slowly.
fn ends_asking(
    mut drip: Client<'_>,
    rest: &str,
    begun: Instant,
) -> Result<(), Finding> {
    let left = SILENCE.saturating_sub(begun.elapsed());
    let pause = left / u32::try_from(rest.len()).unwrap_or(1);
    drip.send_in_bytes(rest, pause)?;
    is_notes(&answer(&mut drip)?)
}

/// Who has not read since then reads now.
fn reads_at_last(mut slow: Client<'_>, unread: Instant) -> Result<(), Finding> {
    thread::sleep(SILENCE.saturating_sub(unread.elapsed()));
    answer(&mut slow)
        .and_then(|came| compare_bytes("large.bin", large(), &came))
        .map_err(|finding| finding.meaning(NOT_READING))
}

/// What it means that one who began to read again did not get it all.
const NOT_READING: &str = "a client did not read for 2 seconds, and then did: \
                           perhaps it was given up in the meantime, by a \
                           time-out of a write.";

fn busy(finding: Finding) -> Finding {
    finding.meaning(
        "perhaps the server talks to one client at a time, or to a few: it \
         waits for those who are silent, in the middle of a selector, or do \
         not read. 50 at least have to be served at once, and none waits for \
         another.",
    )
}

fn given_up(finding: Finding) -> Finding {
    finding.meaning(
        "perhaps a client was given up too soon: one may be silent, or need \
         for its selector, 2 seconds.",
    )
}

/// Those who were silent ask now, all of them.
fn all_answered(
    mut clients: Vec<Client<'_>>,
    selector: &str,
) -> Result<(), Finding> {
    for client in &mut clients {
        client.send(format!("{selector}\r\n"))?;
    }
    clients.iter_mut().try_for_each(|client| is_notes(&answer(client)?))
}

/// Several hundred clients, many of them at the same time.
fn crowds(server: &Server<'_>, selector: &str) -> Result<(), Finding> {
    let means = "perhaps clients who are gone are still counted, or their \
                 connections kept: the 300th is served like the first.";
    for nth in 1..=CROWDS {
        let done = nth * CROWD;
        server.trial.note(format!("{CROWD} clients ask, {done} by then"));
        let answers = fetch_all(server, &vec![selector.to_owned(); CROWD]);
        let right = |came: &Vec<u8>| is_notes(came).is_ok();
        if answers.is_ok_and(|answers| answers.iter().all(right)) {
            continue;
        }
        // Some that were there before may not have been seen out.
        ask_again(server, "E", selector, is_notes)
            .map_err(|finding| finding.harm(means))?;
    }
    Ok(())
}
