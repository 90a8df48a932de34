//! Senders who leave: between two frames, inside one, and by a reset.

use std::time::Duration;

use harness::Deadline;

use super::printed::{Logger, Usual, soon, start};
use super::{LISTEN_TIME, PAUSE, TALK_TIME, crowd, frame, silent};
use crate::client::{BROKEN, Client, ReadEnd};
use crate::finding::Finding;
use crate::trial::Trial;

/// A message of good senders. Bad ones send it, too, before they are bad: so
/// what a program prints of it is no report.
const WHOLE: &str = "<13>whole-one";

/// What comes behind a whole frame before the stream ends, and where that is.
const ENDS: [(&str, &str); 3] = [
    ("40 <13>cut-off-before", "the end inside a message"),
    ("12", "the end inside a length"),
    ("12 ", "the end behind the space of a length"),
];

/// How many senders come and leave in a bad way, and how long we go on.
const LEAVERS: usize = 150;
const LEAVE_TIME: Duration = Duration::from_secs(3);

pub(super) fn bad_senders(trial: &Trial) -> Result<(), Finding> {
    // It waits for the end of connections.
    trial.grant(TALK_TIME);
    ends_inside(trial)?;
    let logger = start(trial, &[])?;
    let mut good = logger.connect("a good sender")?;
    let _half = misbehave(&logger).map_err(|finding| harm(&logger, finding))?;

    good.send(frame("<13>good-old"))
        .map_err(|finding| harm(&logger, finding))?;
    let means = "a sender who was connected all the time is no longer heard.";
    logger
        .prints(&mut good, &["good-old"], means)
        .map_err(|finding| harm(&logger, finding))?;
    many_leave(&logger);
    crowd::deliver(&logger, "a newcomer", "<13>good-new")
        .map_err(|finding| harm(&logger, finding))
}

/// Many senders are heard, and leave: inside a frame, or by a reset. What they
/// took has to be given back.
fn many_leave(logger: &Logger<'_>) {
    let until = Deadline::after(LEAVE_TIME);
    for nth in 0..LEAVERS {
        let Some(mut visitor) = crowd::visit(logger) else { continue };
        let _ = logger.prints_until(&visitor, Deadline::after(PAUSE));
        if nth % 2 == 0 {
            visitor.reset();
        } else {
            let _ = visitor.say("40 <13>never-all");
        }
        if until.is_over() {
            return;
        }
    }
}

/// What went wrong when others had misbehaved.
fn harm(logger: &Logger<'_>, finding: Finding) -> Finding {
    finding.harm(if logger.has_ended() {
        "the program has ended, and a server never does: one sender's \
             trouble has ended it. Its own words are below."
    } else {
        "the program still runs. Perhaps one sender's trouble has ended \
             its loop, or a thread that others need; or places are not given \
             back; or it waits for somebody who says nothing more."
    })
}

/// Two senders go between two frames, one of whom has said nothing; returns
/// what is printed then.
pub(super) fn leave_between_frames(
    logger: &Logger<'_>,
) -> Result<Usual, Finding> {
    let mut mute = logger.connect("a sender who says nothing")?;
    mute.end();
    let mut d = logger.connect("a sender who leaves")?;
    d.send(frame(WHOLE))?;
    let means = "a whole message came, and was not printed.";
    logger.prints(&mut d, &["whole-one"], means)?;
    d.end();
    let until = Deadline::after(LISTEN_TIME);
    for client in [&mut d, &mut mute] {
        let (answer, _) = client.hear_out(until);
        silent(client, &answer)?;
    }
    // What is said about it may come a little later.
    logger.hear_until(Deadline::after(3 * PAUSE));
    Ok(logger.usual())
}

/// The stream ends inside a frame. Each time it is another server: so the
/// report of one end is not taken for that of another.
fn ends_inside(trial: &Trial) -> Result<(), Finding> {
    let mut loggers = Vec::new();
    for _ in ENDS {
        loggers.push(start(trial, &[])?);
    }
    let mut cut = Vec::new();
    for (logger, (bytes, what)) in loggers.iter().zip(ENDS) {
        let usual = leave_between_frames(logger)
            .map_err(|finding| harm(logger, finding))?;
        cut.push((logger, cut_off(logger, bytes)?, usual, what));
    }
    // Whoever closes slowly does it at the same time.
    for (logger, client, usual, what) in &mut cut {
        sees_the_end(logger, client)?;
        logger.reports(usual, what).map_err(|f| lost(logger, f))?;
    }
    Ok(())
}

/// A frame without its end, and the end of the stream.
fn cut_off<'l>(
    logger: &'l Logger<'_>,
    bytes: &str,
) -> Result<Client<'l>, Finding> {
    let mut cut = logger.connect("a sender who is cut off")?;
    cut.send([&frame(WHOLE)[..], bytes.as_bytes()].concat())?;
    let means = "a whole message came, and a part of the next. The whole one \
                 is printed.";
    logger.prints(&mut cut, &["whole-one"], means)?;
    cut.end();
    Ok(cut)
}

/// The connection is closed, and what has come is not printed as received.
fn sees_the_end(
    logger: &Logger<'_>,
    cut: &mut Client<'_>,
) -> Result<(), Finding> {
    let (answer, end) = cut.hear_out(soon());
    silent(cut, &answer)?;
    if end == ReadEnd::Silence {
        return Err(Finding::new(
            format!("to {}: {end}", cut.name()),
            "the end of the connection: nothing more can come",
            "the stream has ended inside a frame, and the connection is \
             kept. Perhaps the end was passed over: read returns 0 again and \
             again.",
        ));
    }
    let means = "a message whose end never came was printed as if it were \
                 whole.";
    logger.nothing_of(cut.address, means)
}

/// A program that has ended reports nothing.
fn lost(logger: &Logger<'_>, finding: Finding) -> Finding {
    if logger.has_ended() { harm(logger, finding) } else { finding }
}

/// Connections that end or break inside a frame, or before it, a flood, and a
/// sender who says no more in the middle of a frame, and stays.
fn misbehave<'l>(logger: &'l Logger<'_>) -> Result<Client<'l>, Finding> {
    let mut cut = cut_off(logger, "40 <13>cut-off")?;
    let _ = cut.hear_out(Deadline::after(LISTEN_TIME));
    let mut torn = Vec::new();
    for _ in 0..10 {
        let mut bad = logger.connect("a bad sender")?;
        bad.send("40 <13>broken-off")?;
        torn.push(bad.address);
        bad.reset();
    }
    logger.server.broken_clients(BROKEN)?;
    logger.connect("a flooder")?.flood(1024 * 1024);
    let mut half = logger.connect("a sender who stays silent")?;
    // It may be refused until the server has seen the others out.
    let _ = half.send("40 <13>half");
    let means = "a message whose end never came was printed as if it were \
                 whole.";
    torn.iter().try_for_each(|bad| logger.nothing_of(*bad, means))?;
    Ok(half)
}
