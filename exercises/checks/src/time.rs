//! ex02: the Time protocol, RFC 868.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::Deadline;

use crate::client::{BROKEN, Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::ladder::{Exercise, Rung};
use crate::start;
use crate::trial::{ANSWER_TIME, Server, Trial};

/// The time in four bytes.
pub static TIME: Exercise = Exercise {
    name: "ex02",
    folder: "02_time",
    title: "a time server",
    rungs: &[
        Rung { name: "it starts", try_it: |t| start::it_starts(t, &[]) },
        Rung { name: "four bytes, then the end", try_it: four_bytes },
        Rung { name: "seconds since 1900, big-endian", try_it: right_number },
        Rung { name: "the time of now", try_it: fresh },
        Rung { name: "one after the other", try_it: one_after_the_other },
        Rung { name: "a client who talks gets the time, too", try_it: talkers },
        Rung { name: "a client who stays holds up nobody", try_it: stayers },
        Rung { name: "a bad client harms nobody", try_it: bad_clients },
    ],
};

/// Seconds from 1900 to 1970: RFC 868.
const FROM_1900_TO_1970: u64 = 2_208_988_800;

/// A clock may be rounded up to the next second.
const ROUNDING: u64 = 1;

/// Where the format is judged, the number may be so many seconds old.
const OLD: u64 = 30;

/// How many clients stay after they have the time.
const STAYING: usize = 2;

fn start(trial: &Trial) -> Result<Server<'_>, Finding> {
    trial.start(&["--port", "0"])
}

/// Seconds since 1970 by the clock of the check.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// The answer to a client: all that comes until the end.
///
/// How the connection ends after the answer is `strict` business only when the
/// client has sent nothing: unread bytes turn a close into a reset.
fn answer(client: &mut Client<'_>, strict: bool) -> Result<[u8; 4], Finding> {
    let (bytes, end) = client.hear_out(Deadline::after(ANSWER_TIME));
    let ended = end == ReadEnd::End || (end == ReadEnd::Reset && !strict);
    if let (Ok(four), true) = (<[u8; 4]>::try_from(&*bytes), ended) {
        return Ok(four);
    }
    let means = match (bytes.len(), end) {
        (0, ReadEnd::Silence) => {
            "the program waits for the client to say something, or is busy \
             with another client."
        }
        (0, ReadEnd::End) => {
            "the program closed the connection without an answer."
        }
        (0, _) => {
            "the program ended, or closed the connection without an answer, \
             or with unread bytes: that is a reset, and can destroy the answer."
        }
        (4, _) => {
            "the program does not close the connection after the answer: it \
             keeps it, or waits for the client to close first."
        }
        (8, _) => "a number of 64 bits was sent: four bytes are a u32.",
        _ if bytes.iter().all(|b| b.is_ascii_graphic() || *b <= b' ') => {
            "the number was sent as text. to_be_bytes gives its bytes."
        }
        _ => "more, or less, was sent than the u32 of the time.",
    };
    let is_text = bytes.is_ascii() || bytes.len() > 8;
    let shown = if is_text { quoted(&bytes) } else { hex(&bytes) };
    let came = format!("{shown}, then {end}");
    Err(Finding::new(came, "four bytes, then the end of the connection", means))
}

/// Compares the answer with the clock; the number is from `begin` on.
fn judge(four: [u8; 4], begin: u64) -> Result<(), Finding> {
    let (first, last) = (begin + FROM_1900_TO_1970, now() + FROM_1900_TO_1970);
    let value = u32::from_be_bytes(four);
    if (first..=last + ROUNDING).any(|seconds| value == lowest(seconds)) {
        return Ok(());
    }
    let came = format!("{} = {value}", hex(&four));
    let bytes = lowest(last).to_be_bytes();
    let expected =
        format!("{} = {last}, the seconds since 1 January 1900", hex(&bytes));
    Err(Finding::new(came, expected, meaning(four, first, last)))
}

/// The lowest 32 bits: from 2036 on, the number begins again.
fn lowest(seconds: u64) -> u32 {
    let [_, _, _, _, bytes @ ..] = seconds.to_be_bytes();
    u32::from_be_bytes(bytes)
}

/// `0xed 0x00 0x37 0x80`.
fn hex(bytes: &[u8]) -> String {
    let each = bytes.iter().map(|byte| format!("{byte:#04x}"));
    each.collect::<Vec<_>>().join(" ")
}

fn meaning(four: [u8; 4], right: u64, last: u64) -> String {
    const DAY: u32 = 24 * 60 * 60;
    let away = (right..=last)
        .map(|seconds| u32::from_be_bytes(four).abs_diff(lowest(seconds)))
        .min()
        .unwrap_or(u32::MAX);
    let near = |value: u32, to| value.abs_diff(lowest(to)) <= DAY;
    let (big, little) = (u32::from_be_bytes(four), u32::from_le_bytes(four));
    let since_1970 = right - FROM_1900_TO_1970;
    if near(little, right) {
        "the bytes are in the wrong order: to_be_bytes puts the most \
         significant one first."
            .to_owned()
    } else if near(big, since_1970) {
        "the seconds were counted from 1970. Add 2,208,988,800.".to_owned()
    } else if near(little, since_1970) {
        "the bytes are in the wrong order, and the seconds were counted from \
         1970."
            .to_owned()
    } else if away <= 100 * DAY {
        format!(
            "it is {away} s away from now. The time is looked up once and kept, \
             or a time zone or a leap day is counted: from 1900 to 1970 it \
             is 2,208,988,800 s, in UTC."
        )
    } else {
        "another unit, such as milliseconds, another beginning than 1900, or \
         a sum that did not fit into its type."
            .to_owned()
    }
}

/// A connection of somebody who says nothing.
fn ask(server: &Server<'_>, name: &str) -> Result<(), Finding> {
    let begin = now();
    let mut client = server.connect(name)?;
    judge(answer(&mut client, true)?, begin)
}

fn four_bytes(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    answer(&mut server.connect("A")?, true).map(drop)
}

fn right_number(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    // How fresh it is, is the next rung's business.
    let begin = now() - OLD;
    judge(answer(&mut server.connect("A")?, true)?, begin)
}

fn fresh(trial: &Trial) -> Result<(), Finding> {
    /// Longer than one second: the number must be another.
    const LATER: Duration = Duration::from_millis(2100);
    let server = start(trial)?;
    let means = "the number is right, and old. The clock has to be read for \
                 each client anew.";
    ask(&server, "A").map_err(|finding| finding.meaning(means))?;
    thread::sleep(LATER);
    trial.note(format!("{LATER:?} later:"));
    ask(&server, "B").map_err(|finding| finding.meaning(means))
}

fn one_after_the_other(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let means = "the program ends, or listens no longer, after some clients. \
                 It serves them for ever.";
    (1..=20)
        .try_for_each(|nth| ask(&server, &format!("client {nth}")))
        .map_err(|finding| finding.harm(means))
}

fn talkers(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    for nth in 1..=5 {
        let mut client = server.connect(&format!("client {nth}"))?;
        // The server may have closed already: then this fails, and is fine.
        let _ = client.send("What time is it, please?\r\n");
        answer(&mut client, false)?;
    }
    Ok(())
}

fn stayers(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let means = "the program waits for a client to hang up. Such a wait \
                 needs an end: a second, say.";
    let waits = |finding: Finding| finding.meaning(means);
    let mut staying = Vec::new();
    for nth in 1..=STAYING {
        let mut client = server.connect(&format!("client {nth}"))?;
        answer(&mut client, true).map_err(waits)?;
        trial.note(format!("client {nth} does not hang up"));
        staying.push(client);
    }
    ask(&server, "the next").map_err(waits)
}

fn bad_clients(trial: &Trial) -> Result<(), Finding> {
    /// Between two parts of the flood.
    const PAUSE: Duration = Duration::from_millis(1);
    let server = start(trial)?;
    let harmed = "an error with one client ends the program, or its loop: \
                  unwrap or ? where the client may be gone. Report the \
                  error, and go on with the next.";
    server.broken_clients(BROKEN).map_err(|finding| finding.harm(harmed))?;
    ask(&server, "a good client").map_err(|finding| finding.harm(harmed))?;
    trial.note("a client sends without an end");
    let mut flooder = server.connect("a flooder")?;
    // Some of it is there before the next client comes.
    flooder.flood(64 * 1024);
    let over = AtomicBool::new(false);
    let endless = "the program reads what a client sends, for as long as it \
                   comes. Set a limit: so many bytes, and so much time.";
    thread::scope(|scope| {
        let flood = || {
            // A write waits as soon as the server takes no more. If it takes
            // all, some processor time is left for others.
            while flooder.flooding() && !over.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
            }
        };
        let thread = thread::Builder::new().spawn_scoped(scope, flood);
        let asked = thread
            .map_err(|error| Finding::of_machine("no thread", &error))
            .and_then(|_| ask(&server, "a good client"));
        over.store(true, Ordering::Relaxed);
        asked.map_err(|finding| finding.meaning(endless))
    })
}
