//! Many senders: at once, silent, slow, and one after the other.

use std::thread;
use std::time::Duration;

use harness::{Deadline, NoLine};

use super::printed::{Logger, is_open, soon, start};
use super::{PAUSE, TALK_TIME, frame};
use crate::client::Client;
use crate::finding::Finding;
use crate::trial::Trial;

/// How many senders a server has room for.
const ROOM: usize = 50;

/// A silence for which nobody is let go; so long a slow frame takes, too.
const SILENCE: Duration = Duration::from_secs(3);

/// How many of them talk at the same time, and how often each.
const TALKERS: usize = 10;
const TIMES: usize = 6;

/// How many senders leave before the others.
const LEAVERS: usize = 20;

/// How many senders come and go, and how many of them at once.
const VISITORS: usize = 304;
const GROUP: usize = 8;

/// So long a sender who is refused comes again.
const AGAIN_TIME: Duration = Duration::from_secs(6);

const FEW: &str = "the server takes one sender at a time, or too few: perhaps \
                   it waits for the silent ones and does not read what this \
                   one says, or has fewer than 50 places. Each connection \
                   needs a thread of its own.";

/// Where a sender pauses: what it has said before, and what it says then.
struct Pause {
    said: &'static str,
    rest: &'static str,
    place: &'static str,
}

const PAUSES: [Pause; 4] = [
    pause("", "16 <13>late-in-full", "before a frame"),
    pause("1", "6 <13>late-in-full", "inside a length"),
    pause("16 ", "<13>late-in-full", "behind the space of a length"),
    pause("16 <13>late-", "in-full", "inside a message"),
];

const fn pause(
    said: &'static str,
    rest: &'static str,
    place: &'static str,
) -> Pause {
    Pause { said, rest, place }
}

pub(super) fn many_at_once(trial: &Trial) -> Result<(), Finding> {
    // The silence is ours.
    trial.grant(SILENCE);
    let logger = start(trial, &[])?;
    let mut silent = logger.server.silent_clients(ROOM - 1)?;
    trial.note(
        "of each four, one begins \"1\", one \"16 \", one \"16 <13>late-\"",
    );
    for (client, pause) in silent.iter_mut().zip(PAUSES.iter().cycle()) {
        // Whoever is let go is found out below.
        let _ = client.say(pause.said);
    }
    let mut a = logger.connect("A")?;
    let few = |finding: Finding| finding.meaning(FEW);
    a.send(frame("<13>not-silent")).map_err(few)?;
    logger.prints(&mut a, &["not-silent"], FEW)?;

    drip(&logger, &mut a)?;
    wake(&logger, &mut silent)?;
    talk_together(&logger, &mut silent)?;
    leave_in_between(&logger, &mut silent, &mut a)?;
    visitors(&logger)
}

/// A frame that comes slowly, while the others are silent.
fn drip(logger: &Logger<'_>, a: &mut Client<'_>) -> Result<(), Finding> {
    let message = "<13>drop-by-drop";
    let pause = SILENCE / u32::try_from(message.len()).unwrap_or(1);
    let means = "a sender needed three seconds for a frame, and was given up \
                 before a minute had passed: perhaps by a time-out.";
    let gone = |finding: Finding| finding.meaning(means);
    a.send(format!("{} ", message.len())).map_err(gone)?;
    a.send_in_bytes(message, pause).map_err(gone)?;
    logger.prints(a, &["drop-by-drop"], means).map(drop)
}

/// All who were silent speak, the last one first.
fn wake(logger: &Logger<'_>, silent: &mut [Client<'_>]) -> Result<(), Finding> {
    logger.server.trial.note("after that, each of them says the rest");
    let means = "a message was printed of which not all has come so far.";
    for late in silent.iter().take(PAUSES.len()) {
        logger.nothing_of(late.address, means)?;
    }
    let mut paused: Vec<_> =
        silent.iter_mut().zip(PAUSES.iter().cycle()).collect();
    paused.reverse();
    for (client, pause) in &mut paused {
        let _ = client.say(pause.rest);
    }
    for (client, pause) in paused {
        let printed = logger.prints(client, &["late-in-full"], FEW);
        if let Err(finding) = printed {
            if is_open(client) {
                return Err(finding);
            }
            return Err(finding.meaning(&let_go(pause)));
        }
    }
    Ok(())
}

fn let_go(pause: &Pause) -> String {
    format!(
        "a sender paused for three seconds {}, and was let go before a minute \
         had passed: perhaps by a time-out. Or there are fewer than 50 places.",
        pause.place
    )
}

/// What several say at the same time stays apart.
fn talk_together(
    logger: &Logger<'_>,
    clients: &mut [Client<'_>],
) -> Result<(), Finding> {
    let text = format!("<13>together {} to-the-end", "-".repeat(100));
    let frames = format!("{} {text}", text.len()).repeat(TIMES);
    let trial = logger.server.trial;
    trial.note(format!("{TALKERS} of them send {TIMES} messages each"));
    for client in clients.iter_mut().take(TALKERS) {
        client.say(&frames)?;
    }
    let means = "several senders talked at the same time, and a line is not \
                 as it should be. Perhaps several threads write into one \
                 line: print it with one println!, or keep stdout locked.";
    for client in clients.iter_mut().take(TALKERS) {
        for _ in 0..TIMES {
            let line = logger.prints(client, &["together"], means)?;
            // Without "<13>", whose signs may be escaped.
            if !line.contains(&text[4..]) {
                let expected = format!("the text {text:?}");
                return Err(Finding::new(format!("{line:?}"), expected, means));
            }
        }
    }
    Ok(())
}

/// Some leave, in another order than they came; the others stay.
fn leave_in_between(
    logger: &Logger<'_>,
    clients: &mut Vec<Client<'_>>,
    a: &mut Client<'_>,
) -> Result<(), Finding> {
    let mut leavers: Vec<_> = clients.drain(5..5 + LEAVERS).rev().collect();
    logger.server.trial.note(format!("{LEAVERS} of them leave"));
    for leaver in &mut leavers {
        leaver.end();
    }
    // Most servers end these connections now, but none has to.
    let until = Deadline::after(3 * PAUSE);
    for leaver in &mut leavers {
        let _ = leaver.hear_out(until);
    }
    drop(leavers);
    let means = "others have left, and this one has not: it is no longer \
                 heard. Perhaps the wrong connection was closed.";
    let gone = |finding: Finding| finding.meaning(means);
    for client in clients.iter_mut() {
        client.say("14 <13>stays-here").map_err(gone)?;
    }
    for client in clients.iter_mut() {
        logger.prints(client, &["stays-here"], means)?;
    }
    a.send(frame("<13>stays-too")).map_err(gone)?;
    logger.prints(a, &["stays-too"], means).map(drop)
}

/// However many have come and gone, the next one is taken.
fn visitors(logger: &Logger<'_>) -> Result<(), Finding> {
    let until = Deadline::after(TALK_TIME);
    for group in 0..VISITORS / GROUP {
        if until.is_over() {
            return Ok(());
        }
        let mut visitors = Vec::new();
        for _ in 0..GROUP {
            visitors.push(visit(logger));
        }
        for visitor in visitors {
            let before = group * GROUP;
            let gone = |finding: Finding| {
                finding.meaning(&format!(
                    "{before} senders came and went, and were heard; the \
                     next is not. Perhaps what a sender took (a place, a \
                     thread, a descriptor) is not given back."
                ))
            };
            finish(logger, visitor, VISIT).map_err(gone)?;
        }
    }
    Ok(())
}

const VISIT: &str = "<13>a-visit";

/// A visitor who has said a word; `None` when it was refused.
pub(super) fn visit<'l>(logger: &'l Logger<'_>) -> Option<Client<'l>> {
    let mut visitor = logger.server.connect("a visitor").ok()?;
    visitor.say(&format!("{} {VISIT}", VISIT.len())).ok()?;
    Some(visitor)
}

/// Waits until a visitor is heard; a refused one comes again for a while.
fn finish(
    logger: &Logger<'_>,
    visitor: Option<Client<'_>>,
    message: &str,
) -> Result<(), Finding> {
    let Some(mut visitor) = visitor else {
        return deliver(logger, "a visitor", message);
    };
    let until = soon();
    while !until.is_over() {
        let step = Deadline::after(PAUSE);
        if logger.prints_until(&visitor, step).is_some() {
            return Ok(());
        }
        if !is_open(&mut visitor) {
            return deliver(logger, "a visitor", message);
        }
    }
    Err(unheard(logger, &mut visitor, message))
}

/// What it means when a newcomer is not heard.
fn unheard(
    logger: &Logger<'_>,
    client: &mut Client<'_>,
    message: &str,
) -> Finding {
    let means = "a newcomer is not heard, though there is room.";
    logger.missing(client, &[message], NoLine::Silence, means)
}

/// A newcomer's message arrives. Places may be scarce until the server has
/// seen others out: who is refused comes again for a while.
pub(super) fn deliver(
    logger: &Logger<'_>,
    name: &str,
    message: &str,
) -> Result<(), Finding> {
    let until = Deadline::after(AGAIN_TIME);
    loop {
        let mut client = logger.connect(name)?;
        let sent = client.send(frame(message));
        while sent.is_ok() {
            let step = Deadline::after(PAUSE);
            if logger.prints_until(&client, step).is_some() {
                return Ok(());
            }
            if until.is_over() || !is_open(&mut client) {
                break;
            }
        }
        if until.is_over() {
            return Err(unheard(logger, &mut client, message));
        }
        thread::sleep(PAUSE);
    }
}
