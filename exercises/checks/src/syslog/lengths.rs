//! Lengths: at the limit, over it, and no numbers at all.

use std::fs;

use harness::Deadline;

use super::endings::leave_between_frames;
use super::printed::{Logger, Usual, soon, start};
use super::{TALK_TIME, frame, silent};
use crate::client::{Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::trial::Trial;

/// The longest message that is taken by default.
const LIMIT: usize = 8192;

/// A limit for which a length needs two digits, and one for six.
const SMALL: usize = 40;
const LARGE: usize = 100_000;

/// The length of a long row of digits.
const DIGITS: usize = 128 * 1024 * 1024;

/// How much more memory a program may need for bad senders, in KiB.
const GROWTH: u64 = 64 * 1024;

/// Bytes with which no frame begins.
struct Bad {
    bytes: &'static str,
    /// What it means when the connection stays.
    kept: &'static str,
    /// What it means when a message is printed.
    printed: &'static str,
}

const NO_NUMBER: &str = "a length is digits, the first of them not 0, and one \
                         space behind them. Perhaps the program skips what is \
                         none, or looks for the next frame behind it.";

const PARSED: &str = "perhaps str::parse was the only judge, and it takes \
                      \"+7\" for a number. The protocol does not: look at the \
                      bytes.";

const SPACE: &str = "perhaps the program waits for a space, which may never \
                     come. Judge at each octet.";

const OVER: &str = "the limit is 8,192 octets, and this length is over it. \
                    Perhaps the program does not compare it, or waits for \
                    the whole message first.";

const OWN_LIMIT: &str = "the length is over the --max-message that was asked \
                         for. Perhaps the program does not compare it, has \
                         another limit of its own, is wrong by one, or waits \
                         for the whole message first.";

const WRAPPED: &str = "the number does not fit into 64 bits, or 32. Perhaps \
                       it was cut down to what fits: count with checked_mul \
                       and checked_add, or stop at the limit.";

const TRIMMED: &str = "perhaps the length was trimmed, or split at any white \
                       space: it is digits and one space.";

const BEHIND: &str = "white space came between two frames, and was no error. \
                      Perhaps it is skipped, or a line feed is taken for a \
                      message's end: the next length begins directly behind \
                      the message.";

const LINES: &str = "perhaps a frame without a length was taken up to its \
                     line feed: that is the other framing, of section 3.4.2.";

const LETTERS: &str = "a length is made of the digits 0 to 9. Other programs \
                       may take more for a number, such as 1_2: look at the \
                       bytes.";

const OVER_SMALL: Bad = bad("41 ", OWN_LIMIT, OWN_LIMIT);

const BAD: [Bad; 18] = [
    bad("abc <13>bad", NO_NUMBER, NO_NUMBER),
    bad("+7 <13>bad", PARSED, PARSED),
    bad("-7 <13>bad", NO_NUMBER, NO_NUMBER),
    bad("7x <13>bad", NO_NUMBER, NO_NUMBER),
    bad("x", SPACE, NO_NUMBER),
    bad(" 7 <13>bad", TRIMMED, TRIMMED),
    bad("\n7 <13>bad", TRIMMED, TRIMMED),
    bad("\r\n7 <13>bad", TRIMMED, TRIMMED),
    bad("\t7 <13>bad", TRIMMED, TRIMMED),
    bad("7\t<13>bad", TRIMMED, TRIMMED),
    bad("1_2 <13>bad-12345", LETTERS, LETTERS),
    bad("\u{667} <13>bad", LETTERS, LETTERS),
    bad("<13>no length\n", LINES, LINES),
    bad("8193 ", OVER, OVER),
    // It looks honest: so much memory could be had.
    bad("100000000 ", OVER, OVER),
    bad("4294967303 <13>bad", WRAPPED, WRAPPED),
    bad("18446744073709551623 <13>bad", WRAPPED, WRAPPED),
    // Last, for other mistakes have this effect, too.
    bad("8193", SPACE, OVER),
];

/// White space behind a whole frame.
const BETWEEN: [Bad; 4] = [
    bad("13 <13>whole-one\n7 <13>bad", BEHIND, BEHIND),
    bad("13 <13>whole-one\r\n7 <13>bad", BEHIND, BEHIND),
    bad("13 <13>whole-one 7 <13>bad", BEHIND, BEHIND),
    bad("13 <13>whole-one\t7 <13>bad", BEHIND, BEHIND),
];

const fn bad(
    bytes: &'static str,
    kept: &'static str,
    printed: &'static str,
) -> Bad {
    Bad { bytes, kept, printed }
}

pub(super) fn bad_lengths(trial: &Trial) -> Result<(), Finding> {
    // Three times it waits for the end of connections, one after the other.
    trial.grant(TALK_TIME);
    let logger = start(trial, &[])?;
    let means = "8,192 octets is the limit, and a message exactly that long \
                 is not over it. The header does not count.";
    let mut good = takes(&logger, LIMIT, means)?;
    let usual = leave_between_frames(&logger)?;
    let before = most_memory(&logger);
    let first = sender(&logger, BAD[0].bytes)?;
    // Whoever closes slowly does it at the same time.
    let small = other_limit(trial, SMALL)?;
    let usual_there = leave_between_frames(&small)?;
    let second = sender(&small, OVER_SMALL.bytes)?;
    reported(&logger, first, &BAD[0], &usual)?;
    reported(&small, second, &OVER_SMALL, &usual_there)?;
    other_limit(trial, LARGE)?;

    all_bad(&logger)?;
    memory(&logger, before)?;
    good.send(frame("<13>still-here")).map_err(|f| harm(&logger, f))?;
    let means = "the good sender is no longer heard.";
    logger
        .prints(&mut good, &["still-here"], means)
        .map(drop)
        .map_err(|f| harm(&logger, f))
}

/// A message as long as the limit is taken, and the next one behind it.
fn takes<'l>(
    logger: &'l Logger<'_>,
    limit: usize,
    means: &str,
) -> Result<Client<'l>, Finding> {
    let mut good = logger.connect("a good sender")?;
    let begin = "<13>just-fits ";
    let longest = begin.to_owned() + &"x".repeat(limit - begin.len());
    good.send([frame(longest), frame("<13>after-it")].concat())
        .map_err(|finding| finding.meaning(means))?;
    logger.prints(&mut good, &["just-fits"], means)?;
    logger.prints(&mut good, &["after-it"], means)?;
    Ok(good)
}

/// A server with another limit, which is taken.
fn other_limit(trial: &Trial, limit: usize) -> Result<Logger<'_>, Finding> {
    let flag = limit.to_string();
    trial.note(format!("started with --max-message {limit}"));
    let logger = start(trial, &["--max-message", &flag])?;
    let means = "with this --max-message the message is not too long. \
                 Perhaps the flag is not looked at, or a length may have \
                 only so many digits.";
    takes(&logger, limit, means)?;
    Ok(logger)
}

/// What went wrong when bad lengths had been sent.
fn harm(logger: &Logger<'_>, finding: Finding) -> Finding {
    if logger.has_ended() {
        finding.harm(
            "the program has ended: a length that is none ended more than \
             its own connection. Its own words are below.",
        )
    } else {
        finding.harm(
            "the program still runs. Perhaps a length that is none ended \
             more than its own connection, such as a thread that others \
             need.",
        )
    }
}

/// The connection is closed, and the error reported.
fn reported(
    logger: &Logger<'_>,
    mut client: Client<'_>,
    bad: &Bad,
    usual: &Usual,
) -> Result<(), Finding> {
    judge(logger, &mut client, bad)?;
    let what = format!("the length {}", quoted(bad.bytes.as_bytes()));
    let lost = |finding| {
        if logger.has_ended() { harm(logger, finding) } else { finding }
    };
    logger.reports(usual, &what).map_err(lost)
}

fn sender<'l>(
    logger: &'l Logger<'_>,
    bytes: &str,
) -> Result<Client<'l>, Finding> {
    let harm = |finding| harm(logger, finding);
    let mut client = logger.connect("a bad sender").map_err(harm)?;
    client.say(bytes).map_err(harm)?;
    Ok(client)
}

fn all_bad(logger: &Logger<'_>) -> Result<(), Finding> {
    let trial = logger.server.trial;
    let all = BAD.len() + BETWEEN.len();
    trial.note(format!("{all} senders, each with a bad length"));
    let senders = |bad: &[Bad]| {
        let clients = bad.iter().map(|bad| sender(logger, bad.bytes));
        clients.collect::<Result<Vec<_>, _>>()
    };
    let mut between = senders(&BETWEEN)?;
    let mut clients = senders(&BAD)?;
    for (client, bad) in clients.iter_mut().zip(&BAD) {
        judge(logger, client, bad)?;
    }
    let means = "a whole message came, and white space behind it. The message \
                 is printed.";
    for (client, bad) in between.iter_mut().zip(&BETWEEN) {
        logger.prints(client, &["whole-one"], means)?;
        judge(logger, client, bad)?;
    }
    Ok(())
}

/// A connection on which nothing good can come any more is closed, without a
/// word, and no message of it is printed.
fn judge(
    logger: &Logger<'_>,
    client: &mut Client<'_>,
    bad: &Bad,
) -> Result<(), Finding> {
    let (answer, end) = client.hear_out(soon());
    let sent = quoted(bad.bytes.as_bytes());
    let note = |finding| {
        client.note(format!("{} sends {sent}", client.name()));
        finding
    };
    logger.nothing_of(client.address, bad.printed).map_err(note)?;
    silent(client, &answer).map_err(note)?;
    match end {
        ReadEnd::End | ReadEnd::Reset => Ok(()),
        _ => Err(note(Finding::new(
            format!("to {}: {end}", client.name()),
            format!("after {sent}, the end of the connection"),
            bad.kept,
        ))),
    }
}

/// The most memory that the program has had so far, in KiB. Only Linux says.
fn most_memory(logger: &Logger<'_>) -> Option<u64> {
    let id = logger.server.process.id();
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A length costs nothing before it is judged.
fn memory(logger: &Logger<'_>, before: Option<u64>) -> Result<(), Finding> {
    let means = "perhaps the program makes room for the message before it \
                 compares the length with the limit.";
    flat(logger, before, "a large length", means)?;

    let trial = logger.server.trial;
    trial.note(format!("a sender sends {DIGITS} digits, and a space"));
    let digits = Bad { bytes: "1111111 ", kept: SPACE, printed: OVER };
    let mut endless = sender(logger, "1")?;
    let piece = "1".repeat(64 * 1024);
    let until = Deadline::after(TALK_TIME);
    let mut pieces = DIGITS / piece.len();
    while pieces > 0 && !until.is_over() && endless.say(&piece).is_ok() {
        pieces -= 1;
    }
    let _ = endless.say(" ");
    judge(logger, &mut endless, &digits)?;
    let means = "perhaps the program collects the digits, or what comes \
                 behind a length that is refused. Stop at the first one that \
                 is too many.";
    flat(logger, before, "a row of digits", means)
}

fn flat(
    logger: &Logger<'_>,
    before: Option<u64>,
    what: &str,
    means: &str,
) -> Result<(), Finding> {
    let (Some(before), Some(after)) = (before, most_memory(logger)) else {
        return Ok(());
    };
    let more = after.saturating_sub(before);
    if more < GROWTH {
        return Ok(());
    }
    Err(Finding::new(
        format!("{} MiB more memory (VmHWM) for {what}", more / 1024),
        format!("less than {} MiB more", GROWTH / 1024),
        means,
    ))
}
