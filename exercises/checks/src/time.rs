//! ex02: the Time protocol, RFC 868.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use harness::Deadline;

use crate::client::{Client, ReadEnd};
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
        Rung { name: "it starts", try_it: it_starts },
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

/// A server may look at the clock just before it sees who has come.
const TURN: Duration = Duration::from_millis(100);

/// Where the format is judged, the number may be so many seconds away.
const AWAY: u64 = 30;

/// How many clients come one after the other: more than a byte can count. The
/// server need not be fast: after so much time, twenty are enough, and after
/// the longest, whatever has come.
const IN_A_ROW: usize = 300;
const ENOUGH: usize = 20;
const ROW_TIME: Duration = Duration::from_secs(3);
const LONGEST_ROW: Duration = Duration::from_secs(8);

/// How many clients stay after they have the time, and how long we go on
/// sending one more: a server may have to see out each of them.
const STAYING: usize = 20;
const STAYING_TIME: Duration = Duration::from_secs(1);

/// Between two bytes of a client who sends one now and then.
const DRIP_TIME: Duration = Duration::from_millis(400);

/// How many clients talk, and how much the half of them says. After some time
/// two are enough.
const TALKERS: usize = 8;
const SPEECH: usize = 10_000;
const TALKING_TIME: Duration = Duration::from_secs(2);

/// How many clients break off at once, and how many when they have the time.
/// Of the first, only some are gone before the server has a look at them. Of a
/// server that sees out one after the other, slowly, one each is enough.
const BROKEN: (usize, usize) = (20, 5);
const BROKEN_IF_SLOW: (usize, usize) = (1, 1);
const SLOW: Duration = Duration::from_secs(1);

/// How long the next may have to wait after them: each is a visit, too.
const BROKEN_TIME: Duration = Duration::from_secs(10);

fn start(trial: &Trial) -> Result<Server<'_>, Finding> {
    trial.start(&["--port", "0"])
}

/// Time since 1970 by the clock of the check.
fn since_1970() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The number that is right now.
fn now() -> u64 {
    FROM_1900_TO_1970 + since_1970().as_secs()
}

/// The earliest number that is right for a client who connects now.
fn earliest() -> u64 {
    FROM_1900_TO_1970 + since_1970().saturating_sub(TURN).as_secs()
}

/// An answer, and the numbers that are right for it.
struct Answer {
    four: [u8; 4],
    first: u64,
    last: u64,
}

impl Answer {
    /// The right number that is nearest, and how far ahead of it the answer
    /// is; negative when it is behind.
    fn ahead(&self) -> i64 {
        let value = u32::from_be_bytes(self.four);
        // Both are 32 bits that begin again at zero.
        let from =
            |right| i64::from(value.wrapping_sub(lowest(right)).cast_signed());
        match (from(self.first), from(self.last + ROUNDING)) {
            (behind @ ..0, _) => behind,
            (_, ahead @ 1..) => ahead,
            _ => 0,
        }
    }

    /// What came, what was expected, and why it is perhaps so.
    fn wrong(&self, means: impl Into<String>) -> Finding {
        let value = u32::from_be_bytes(self.four);
        let seen = match self.ahead() {
            behind @ ..0 => format!("{} s behind now", -behind),
            ahead => format!("{ahead} s ahead of now"),
        };
        let came = format!("{} = {value}, {seen}", hex(&self.four));
        let bytes = lowest(self.last).to_be_bytes();
        let right = self.last;
        let expected =
            format!("{} = {right}, the seconds since 1900", hex(&bytes));
        Finding::new(came, expected, means)
    }
}

/// Hears the four bytes, and then the end.
fn answer(client: &mut Client<'_>) -> Result<[u8; 4], Finding> {
    let (bytes, end) = match client.hear(4, Deadline::after(ANSWER_TIME)) {
        Ok(()) => client.hear_out(Deadline::after(ANSWER_TIME)),
        // What there is, is here already.
        Err(end) => (client.hear_out(Deadline::after(Duration::ZERO)).0, end),
    };
    match (<[u8; 4]>::try_from(&*bytes), end) {
        (Ok(four), ReadEnd::End) => Ok(four),
        _ => Err(no_answer(&bytes, end)),
    }
}

fn no_answer(bytes: &[u8], end: ReadEnd) -> Finding {
    let is_text = bytes.is_ascii() || bytes.len() > 9;
    let shown = if is_text { quoted(bytes) } else { hex(bytes) };
    let came = format!("{shown}, then {end}");
    let expected = "four bytes, then the end of the connection";
    Finding::new(came, expected, why_no_answer(bytes, end))
}

fn why_no_answer(bytes: &[u8], end: ReadEnd) -> &'static str {
    match (bytes.len(), end) {
        (0, ReadEnd::Silence) => {
            "the program sends nothing. Perhaps it waits for the client to say \
             something or to end, or is busy with another client."
        }
        (0, ReadEnd::End) => {
            "the program closed the connection without an answer."
        }
        (0, _) => "no answer came. Perhaps the program ended, or closed early.",
        (4, ReadEnd::Reset) => {
            "the program closed the connection while something that the \
             client had said was unread: that is a reset, and it can destroy \
             the answer on its way. Read on for a while: a lingering close."
        }
        (4, _) => {
            "the program does not close the connection after the answer: \
             perhaps it keeps it, or waits for the client to close first."
        }
        _ if bytes.iter().all(|b| b.is_ascii_graphic() || *b <= b' ') => {
            "the number was sent as text. to_be_bytes gives its bytes."
        }
        (8, _) => "a number of 64 bits was sent: four bytes are a u32.",
        (5.., _) if bytes.ends_with(b"\n") => {
            "more was sent than the u32 of the time: perhaps a line end, as \
             writeln! adds it."
        }
        _ => "more, or less, was sent than the u32 of the time.",
    }
}

fn judge(answer: &Answer) -> Result<(), Finding> {
    if answer.ahead().unsigned_abs() <= AWAY {
        return Ok(());
    }
    Err(answer.wrong(why_far(answer)))
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

fn why_far(answer: &Answer) -> &'static str {
    const HOUR: u64 = 60 * 60;
    const DAY: u64 = 24 * HOUR;
    let right = lowest(answer.last);
    let since_1970 = lowest(answer.last - FROM_1900_TO_1970);
    let near = |value: u32, to: u32| u64::from(value.abs_diff(to)) <= 2 * DAY;
    let (big, little) =
        (u32::from_be_bytes(answer.four), u32::from_le_bytes(answer.four));
    let away = answer.ahead().unsigned_abs();
    let some = |unit: u64| (away + AWAY) % unit <= 2 * AWAY;
    if near(little, right) {
        "the bytes are in the wrong order: to_be_bytes puts the most \
         significant one first."
    } else if near(big, since_1970) {
        "the seconds were counted from 1970. Add 2,208,988,800."
    } else if near(little, since_1970) {
        "the bytes are in the wrong order, and counted from 1970."
    } else if away <= 40 * DAY && some(DAY) {
        "it is whole days away from now: perhaps a leap day is counted, or \
         forgotten. From 1900 to 1970 there are 17 of them, 2,208,988,800 s."
    } else if away <= DAY && some(HOUR / 4) {
        "it is whole hours away from now, or quarters: perhaps the time of \
         another zone than UTC was sent."
    } else if away <= 100 * DAY {
        "perhaps the time is rounded, or leap seconds are counted, or the \
         constant is wrong: from 1900 to 1970 it is 2,208,988,800 s."
    } else {
        "perhaps another unit, such as milliseconds, another beginning than \
         1900, or a sum that did not fit into its type."
    }
}

/// A connection of somebody who says nothing.
fn ask(server: &Server<'_>, name: &str) -> Result<Answer, Finding> {
    let first = earliest();
    let mut client = server.connect(name)?;
    let four = answer(&mut client)?;
    Ok(Answer { four, first, last: now() })
}

/// The same, whose four bytes may take so long, and who does not wait for the
/// end.
fn glance<'s>(
    server: &'s Server<'_>,
    name: &str,
    patience: Duration,
) -> Result<(Client<'s>, Answer), Finding> {
    let first = earliest();
    let mut client = server.connect(name)?;
    let heard = client.hear(4, Deadline::after(patience));
    let bytes = client.heard();
    let Ok(four) = <[u8; 4]>::try_from(bytes) else {
        let end = heard.err().unwrap_or(ReadEnd::Flood);
        let mut finding = no_answer(bytes, end);
        if end == ReadEnd::Silence {
            finding.came = format!("nothing in {patience:?}");
        }
        return Err(finding);
    };
    Ok((client, Answer { four, first, last: now() }))
}

/// The same, whose answer is judged roughly.
fn takes_the_time<'s>(
    server: &'s Server<'_>,
    name: &str,
    patience: Duration,
) -> Result<Client<'s>, Finding> {
    let (client, answer) = glance(server, name, patience)?;
    judge(&answer)?;
    Ok(client)
}

fn it_starts(trial: &Trial) -> Result<(), Finding> {
    start::it_starts(trial, &[])?;
    start::on_hosts(trial, &[])?;
    trial.note("started without --host");
    start::alone(|| trial.start(&["--port", "0"]))?;
    start::by_default(trial, &[])
}

fn four_bytes(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    answer(&mut server.connect("A")?)?;
    // Who says nothing can say so at once.
    let mut ended = server.connect("B")?;
    ended.end();
    let means = "perhaps the program takes the end of the client's side for \
                 the end of the client, who goes on listening.";
    answer(&mut ended).map(drop).map_err(|finding| finding.meaning(means))
}

fn right_number(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    // How fresh it is, is the next rung's business.
    judge(&ask(&server, "A")?)
}

fn fresh(trial: &Trial) -> Result<(), Finding> {
    /// Longer than two seconds: the number must be another.
    const LATER: Duration = Duration::from_millis(2200);
    let server = start(trial)?;
    let before = ask(&server, "A")?;
    thread::sleep(LATER);
    thread::sleep(until_late_in_a_second());
    trial.note(format!("more than {LATER:?} later:"));
    let (_, after) = glance(&server, "B", ANSWER_TIME)?;
    match [&after, &before].into_iter().find(|a| a.ahead() != 0) {
        Some(wrong) => Err(wrong.wrong(why_not_now(&before, &after))),
        None => each_anew(&server),
    }
}

/// How long it is until the present second, or the next, is nearly over.
fn until_late_in_a_second() -> Duration {
    const SECOND: u32 = 1000;
    const LATE: u32 = 800;
    let so_far = since_1970().subsec_millis();
    let left = (SECOND + LATE - so_far) % SECOND;
    Duration::from_millis(left.into())
}

fn why_not_now(before: &Answer, after: &Answer) -> &'static str {
    let value = u64::from(u32::from_be_bytes(after.four));
    let old = u64::from(lowest(before.last)) + ROUNDING;
    if before.four == after.four {
        "the number has not moved on. Perhaps the clock is read once, at the \
         start, or before `accept`, or the number is rounded: read the clock \
         for each client anew, after accept."
    } else if before.ahead() == 0 && value <= old {
        "B got the time of A's visit. Perhaps the clock is read before \
         `accept`, which may wait for long: read it after."
    } else {
        "the number moves on, and is not the time of now. Perhaps it is \
         rounded, or the constant is wrong: from 1900 to 1970 it is \
         2,208,988,800 s."
    }
}

/// More clients, from the end of one second into the next: a number that was
/// kept is wrong there.
fn each_anew(server: &Server<'_>) -> Result<(), Finding> {
    const SERIES: Duration = Duration::from_millis(1200);
    const BETWEEN: Duration = Duration::from_millis(250);
    let until = Deadline::after(SERIES);
    while !until.is_over() {
        thread::sleep(BETWEEN);
        let (_, answer) = glance(server, "one more", ANSWER_TIME)?;
        if answer.ahead() != 0 {
            return Err(answer.wrong(
                "others had come just before. Perhaps their time was kept, \
                 and sent once more: read the clock for each client anew.",
            ));
        }
    }
    Ok(())
}

fn one_after_the_other(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let means = "the program ends, listens no longer, or answers no more, \
                 after some clients. It serves them for ever.";
    let begin = Instant::now();
    for nth in 1..=IN_A_ROW {
        takes_the_time(&server, &format!("client {nth}"), ANSWER_TIME)
            .map_err(|mut finding| {
                finding.came = format!("client {nth}: {}", finding.came);
                finding.harm(means)
            })?;
        let took = begin.elapsed();
        if took > LONGEST_ROW || (took > ROW_TIME && nth >= ENOUGH) {
            break;
        }
    }
    Ok(())
}

fn talkers(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let begin = Instant::now();
    let speech = "What time is it, please? ".repeat(SPEECH / 25);
    for nth in 1..=TALKERS {
        let mut client = server.connect(&format!("client {nth}"))?;
        let text = if nth % 2 == 0 { &*speech } else { "Hello?\r\n" };
        // The server may have closed already: then this fails, and is fine.
        let _ = client.send(text);
        answer(&mut client)?;
        if nth >= 2 && begin.elapsed() > TALKING_TIME {
            break;
        }
    }
    Ok(())
}

fn stayers(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    // A server may see out four of them, one after the other.
    trial.grant(ANSWER_TIME);
    let waits = |finding: Finding| {
        finding.meaning(
            "the next got no answer while others stayed. Perhaps the program \
             waits for a client to hang up. Such a wait needs an end: a \
             second, say.",
        )
    };
    let mut staying = Vec::new();
    let begin = Instant::now();
    while staying.len() < STAYING && begin.elapsed() < STAYING_TIME {
        let name = format!("client {}", staying.len() + 1);
        let client = takes_the_time(&server, &name, ANSWER_TIME);
        staying.push(client.map_err(waits)?);
        trial.note("it does not hang up");
    }
    let mut drip = takes_the_time(&server, "D", ANSWER_TIME).map_err(waits)?;
    trial.note("D sends a byte now and then");
    let over = AtomicBool::new(false);
    let drips = || {
        while !over.load(Ordering::Relaxed) && drip.say("x").is_ok() {
            thread::sleep(DRIP_TIME);
        }
    };
    meanwhile(&server, ANSWER_TIME, drips, &over).map_err(|finding| {
        finding.meaning(
            "the next got no answer while D stayed. Perhaps each read has a \
             time limit, and begins it anew. All of them together need one.",
        )
    })
}

/// Asks for the time while another client is at work.
fn meanwhile(
    server: &Server<'_>,
    patience: Duration,
    work: impl FnOnce() + Send,
    over: &AtomicBool,
) -> Result<(), Finding> {
    /// The other one has this time before the next client comes.
    const HEAD_START: Duration = Duration::from_millis(300);
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, work);
        thread::sleep(HEAD_START);
        let asked = thread
            .map_err(|error| Finding::of_machine("no thread", &error))
            .and_then(|_| takes_the_time(server, "the next", patience));
        over.store(true, Ordering::Relaxed);
        asked.map(drop)
    })
}

fn bad_clients(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let harm = |finding: Finding| {
        finding.harm(
            "perhaps an error with one client ends the program, or its loop: \
             unwrap or ? where the client may be gone. Report the error, and \
             go on with the next.",
        )
    };
    let good = || takes_the_time(&server, "a good client", BROKEN_TIME);
    let (at_once, late) = many_or_few(trial, &server)?;
    server.broken_clients(at_once).map_err(harm)?;
    good().map_err(harm)?;
    for nth in 1..=late {
        let name = format!("client {nth}");
        takes_the_time(&server, &name, BROKEN_TIME).map_err(harm)?.reset();
    }
    good().map_err(harm)?;
    flooded(trial, &server)
}

/// How many clients break off: it depends on how long a visit takes.
fn many_or_few(
    trial: &Trial,
    server: &Server<'_>,
) -> Result<(usize, usize), Finding> {
    trial.grant(BROKEN_TIME);
    takes_the_time(server, "a good client", ANSWER_TIME)?;
    let begin = Instant::now();
    takes_the_time(server, "a good client", ANSWER_TIME)?;
    if begin.elapsed() < SLOW {
        return Ok(BROKEN);
    }
    trial.grant(BROKEN_TIME);
    Ok(BROKEN_IF_SLOW)
}

fn flooded(trial: &Trial, server: &Server<'_>) -> Result<(), Finding> {
    /// Between two parts of the flood.
    const PAUSE: Duration = Duration::from_millis(1);
    trial.note("a client sends without an end");
    let mut flooder = server.connect("a flooder")?;
    // Some of it is there before the next client comes.
    flooder.flood(64 * 1024);
    let over = AtomicBool::new(false);
    let flood = || {
        // A write waits as soon as the server takes no more. If it takes all,
        // some processor time is left for others.
        while flooder.flooding() && !over.load(Ordering::Relaxed) {
            thread::sleep(PAUSE);
        }
    };
    meanwhile(server, BROKEN_TIME, flood, &over).map_err(|finding| {
        finding.meaning(
            "the next got no answer while the flood came. Perhaps the program \
             reads what a client sends, for as long as it comes. Set a limit: \
             so many bytes, and so much time.",
        )
    })
}
