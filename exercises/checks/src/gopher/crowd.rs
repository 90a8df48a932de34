//! The rung "many at once".

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::finding::Finding;
use crate::trial::{Server, Trial};

use super::content::{NOTES, large};
use super::files::{compare_bytes, large_file};
use super::items::{fetch_menu, find, items};
use super::texts::is_notes;
use super::world::World;
use super::{answer, ask_again, asks, fetch_all};

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
    let stuck = server.connect_with_little_room("S")?;
    let stuck = with_slow_ones(&server, stuck, silent, &notes, &large_file)?;
    crowds(&server, &notes)?;
    // Not before: it breaks the connection off, which is the next rung's.
    drop(stuck);
    Ok(())
}

/// Clients come who are in the middle of a selector, or do not read: others
/// are served meanwhile, and then those. One of them, S, never reads.
fn with_slow_ones<'s>(
    server: &'s Server<'_>,
    mut stuck: Client<'s>,
    mut silent: Vec<Client<'_>>,
    notes: &str,
    large: &str,
) -> Result<Client<'s>, Finding> {
    let (mut drip, rest) = half_asked(server, notes)?;
    ask_again(server, "A", notes, is_notes).map_err(busy)?;
    // Two who do not read; one of them reads later.
    stuck.send(format!("{large}\r\n"))?;
    let slow = asks(server, "T", large)?;
    let begun = Instant::now();
    // Once it has begun, the server is in the middle of sending.
    stuck.wait_for_bytes();
    server.trial.note("S and T do not read the answers");
    ask_again(server, "B", notes, is_notes).map_err(busy)?;
    ask_again(server, "C", "", |menu| items(menu).map(drop)).map_err(busy)?;

    let left = SILENCE.saturating_sub(begun.elapsed());
    let pause = left / u32::try_from(rest.len()).unwrap_or(1);
    drip.send_in_bytes(rest, pause).map_err(given_up)?;
    all_slow_answered(drip, slow, &mut silent, notes)?;
    Ok(stuck)
}

/// A client who has sent the first letter of a selector, and the rest.
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

/// Those who were slow get their answers.
fn all_slow_answered(
    mut drip: Client<'_>,
    mut slow: Client<'_>,
    silent: &mut [Client<'_>],
    notes: &str,
) -> Result<(), Finding> {
    answer(&mut drip).and_then(|came| is_notes(&came)).map_err(given_up)?;
    all_answered(silent, notes).map_err(given_up)?;
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
    clients: &mut [Client<'_>],
    selector: &str,
) -> Result<(), Finding> {
    for client in &mut *clients {
        client.send(format!("{selector}\r\n"))?;
    }
    for client in clients {
        answer(client).and_then(|came| is_notes(&came))?;
    }
    Ok(())
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
