//! The rung "a bad client harms nobody".

use std::time::Duration;

use harness::Deadline;

use crate::client::{BROKEN, Client};
use crate::finding::Finding;
use crate::memory;
use crate::trial::{Server, Trial};

use super::content::NOTES;
use super::files::large_file;
use super::items::{fetch_menu, find};
use super::texts::is_notes;
use super::world::World;
use super::{ask_again, asks};

/// How many break off when they have asked for a large file.
const RESETS: usize = 5;

/// How often some leave before the end of a selector, and how long we go on.
const HALVES: usize = 40;
const HALVES_TIME: Duration = Duration::from_secs(3);

/// How long we listen for what a bad client is told: after an answer, or none,
/// the server is done with it.
const DONE_TIME: Duration = Duration::from_millis(500);

/// How much is sent without a line end, and how much of that a server may
/// keep: its limit is its own, and its buffers are.
const ENDLESS: usize = 64 * 1024 * 1024;
const KEPT: usize = ENDLESS / 2;

/// After so much of it we look at the memory.
const PART: usize = ENDLESS / 4;

/// How long the server may take for it, and how long for the next of it: who
/// reads no more is let be.
const FLOOD_TIME: Duration = Duration::from_secs(6);
const STUCK_TIME: Duration = Duration::from_secs(2);

pub(super) fn bad_clients(trial: &Trial) -> Result<(), Finding> {
    let world = World::with(&[World::large])?;
    let server = world.start(trial)?;
    let menu = fetch_menu(&server, "")?;
    let large_file = large_file(&server, &menu)?;
    let notes = find(&menu, NOTES.0)?.selector;
    let still = |what: &str| {
        ask_again(&server, "B", &notes, is_notes)
            .map_err(|finding| harmed(&server, what, finding))
    };

    nonsense(&server);
    still("selectors that nobody expects")?;
    half_selectors(&server);
    still("half a selector, and none")?;
    let endless = without_end(&server)?;
    still("a selector without an end")?;
    let broken = server.broken_clients(BROKEN);
    broken.or_else(|_| still("connections that broke off at once"))?;
    still("connections that broke off at once")?;
    for _ in 0..RESETS {
        if let Ok(bad) = asks(&server, "a bad client", &large_file) {
            bad.reset();
        }
    }
    still("connections that broke off during an answer")?;
    drop(endless);
    Ok(())
}

/// Selectors of any bytes: they are answered, or not.
fn nonsense(server: &Server<'_>) {
    let long = "/".repeat(2000) + "\r\n";
    let lines: [&[u8]; 6] = [
        b"a\0b\r\n",
        b"\xff\xfe\r\n",
        b"\t\r\n",
        b"a\t\r\n",
        b"\n",
        long.as_bytes(),
    ];
    let ask = |bytes| {
        let mut bad = server.connect("a bad client").ok()?;
        let _ = bad.send(bytes);
        Some(bad)
    };
    let bad: Vec<_> = lines.into_iter().map_while(ask).collect();
    let until = Deadline::after(DONE_TIME);
    for mut bad in bad {
        let _ = bad.hear_out(until);
    }
}

/// Many who leave before the end of a selector, if the server sees them out
/// quickly.
fn half_selectors(server: &Server<'_>) {
    let until = Deadline::after(HALVES_TIME);
    for _ in 0..HALVES {
        some_halves(server);
        if until.is_over() {
            return;
        }
    }
}

fn some_halves(server: &Server<'_>) {
    let ask = |bytes| {
        let mut half = server.connect("a bad client").ok()?;
        let _ = half.send(bytes);
        half.end();
        Some(half)
    };
    let halves = ["half a selec", "half a line\r", ""];
    let bad: Vec<_> = halves.into_iter().map_while(ask).collect();
    let until = Deadline::after(DONE_TIME);
    for mut half in bad {
        let _ = half.hear_out(until);
        half.leave();
    }
}

/// A client who never ends the line, and stays; the server's memory does not
/// fill with it.
fn without_end<'s>(server: &'s Server<'_>) -> Result<Client<'s>, Finding> {
    let peak = || memory::peak(server.process.id());
    let before = peak();
    let mut endless = server.connect("an endless client")?;
    endless.note(format!("it sends {ENDLESS} times the letter x"));
    let (until, mut sent) = (Deadline::after(FLOOD_TIME), 0);
    for part in 1..=ENDLESS / PART {
        while sent < part * PART {
            match endless.pour(until.min(Deadline::after(STUCK_TIME))) {
                Ok(0) | Err(_) => return Ok(endless),
                Ok(count) => sent += count,
            }
        }
        // Where memory is not measured, it does not grow.
        let grown = peak()
            .zip(before)
            .map_or(0, |(now, before)| now.saturating_sub(before));
        if grown > KEPT {
            return Err(kept(grown));
        }
    }
    Ok(endless)
}

fn kept(grown: usize) -> Finding {
    Finding::new(
        format!("{} MB more of memory", grown >> 20),
        format!("less than {} MB more", KEPT >> 20),
        "a selector without an end was kept as it came: it would fill \
         all the memory. Set a limit, for example with Read::take.",
    )
}

/// What it means that nobody is served after a bad client.
fn harmed(server: &Server<'_>, after: &str, finding: Finding) -> Finding {
    const MOMENT: Duration = Duration::from_millis(200);
    let ended = server.process.wait(Deadline::after(MOMENT)).is_some();
    let means = if ended {
        "has ended the program: its words are below. Perhaps it was unwrap, \
         or ?, where a client may be gone, or asks for nonsense."
    } else {
        "nobody is served any more, and the program still runs. Perhaps its \
         loop has ended, a lock is poisoned, or those who are gone keep their \
         threads or places."
    };
    let means = if ended {
        format!("a bad client {means}")
    } else {
        format!("after a bad client {means}")
    };
    let came = format!("after {after}: {}", finding.came);
    Finding { came, ..finding.harm(&means) }
}
