//! ex04: syslog over TCP with octet counting, RFC 6587, section 3.4.1.

mod crowd;
mod endings;
mod lengths;
mod printed;

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::thread;
use std::time::Duration;

use harness::Deadline;

use crate::client::Client;
use crate::finding::{Finding, quoted};
use crate::ladder::{Exercise, Rung};
use crate::start;
use crate::trial::Trial;
use printed::{Logger, start};

/// A log server.
pub static SYSLOG: Exercise = Exercise {
    name: "ex04",
    folder: "04_syslog",
    title: "a log server",
    rungs: &[
        Rung { name: "it starts", try_it: it_starts },
        Rung { name: "one message", try_it: one_message },
        Rung { name: "several in one segment", try_it: one_segment },
        Rung { name: "one in many segments", try_it: many_segments },
        Rung { name: "octets, not characters", try_it: octets },
        Rung { name: "many at once", try_it: crowd::many_at_once },
        Rung { name: "bad lengths", try_it: lengths::bad_lengths },
        Rung {
            name: "a bad sender harms nobody",
            try_it: endings::bad_senders,
        },
    ],
};

/// In this time a server has usually read what has come. On a machine that is
/// too busy for that, the check is only milder.
const PAUSE: Duration = Duration::from_millis(100);

/// So long we look whether an answer comes. Most servers end it before.
const LISTEN_TIME: Duration = Duration::from_secs(1);

/// How many frames one connection carries.
const FRAMES: usize = 300;

/// So long we wait for all of them; who is slower has shown enough.
const TALK_TIME: Duration = Duration::from_secs(6);

/// How many octets a long text has: its line is kept whole.
const TEXT: usize = 3000;

const NOT_THE_TEXT: &str = "a line came, and its text is not the text of the message. Behind PEER \
     stands the message alone, and all of it; letters, digits and hyphens stay \
     as they are.";

fn frame(message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    [format!("{} ", message.len()).as_bytes(), message].concat()
}

fn it_starts(trial: &Trial) -> Result<(), Finding> {
    start::it_starts(trial, &[])?;
    trial.note("started without --host");
    let server = trial.start(&["--port", "0"])?;
    if server.address.ip() != Ipv4Addr::LOCALHOST {
        return Err(Finding::new(
            format!("[LISTENING] {}", server.address),
            "[LISTENING] 127.0.0.1:PORT",
            "without --host the address is 127.0.0.1.",
        ));
    }
    start::alone(|| trial.start(&["--port", "0"]))?;
    start::on_hosts(trial, &[])
}

fn one_message(trial: &Trial) -> Result<(), Finding> {
    let logger = start(trial, &[])?;
    let mut a = logger.connect("A")?;
    a.send(frame("hello-server"))?;
    let means = "perhaps the program waits for a line feed, which a message \
                 need not have, for the next message, or for the end of the \
                 connection; or it keeps its output in a buffer.";
    let text = logger.prints_any(&mut a, &["hello-server"], means)?;
    is_text(&text, "hello-server")?;
    a.send(frame("<13>a: hello-again"))?;
    let means = "the program has printed one message, and not the next on \
                 the same connection: perhaps it reads one and no more.";
    let text = logger.prints_any(&mut a, &["hello-again"], means)?;
    if !text.contains("13") || !text.contains("hello-again") {
        let words = ["13", "hello-again"];
        return Err(logger.another(a.address, &text, &words, NOT_THE_TEXT));
    }
    a.end();
    no_answer(&mut a)?;
    let means = "a line [RECEIVED] was printed for which nothing was sent.";
    logger.nothing_of(a.address, means)?;
    next_sender(&logger)?;
    match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => from_ipv6(trial),
        Err(_) => Ok(()),
    }
}

/// A text is a message of ASCII letters, digits and hyphens, and no more. It
/// may stand in quotes, as in Python: `b'text'`.
fn is_text(text: &str, message: &str) -> Result<(), Finding> {
    let quotes = ['"', '\''];
    let bytes = text.strip_prefix('b').filter(|t| t.starts_with(quotes));
    if bytes.unwrap_or(text).trim_matches(quotes) == message {
        return Ok(());
    }
    let expected = format!("the text {message}");
    Err(Finding::new(format!("{text:?}"), expected, NOT_THE_TEXT))
}

/// After a sender who has left between two frames comes the next.
fn next_sender(logger: &Logger<'_>) -> Result<(), Finding> {
    let means = "the program has ended when a sender had left between two \
                 frames. That is no error.";
    let ended = |finding: Finding| {
        if logger.has_ended() { finding.harm(means) } else { finding }
    };
    let mut b = logger.connect("B").map_err(ended)?;
    b.send(frame("<13>b: hello-too")).map_err(ended)?;
    let means = "a sender has left, and the next is not heard.";
    logger.prints(&mut b, &["hello-too"], means).map(drop).map_err(ended)
}

fn from_ipv6(trial: &Trial) -> Result<(), Finding> {
    let logger = start(trial, &["--host", "::1"])?;
    let mut c = logger.connect("C")?;
    c.send(frame("<13>c: hello-six"))?;
    let means = "a sender with an IPv6 address is not served like others.";
    logger.prints(&mut c, &["hello-six"], means).map(drop)
}

fn no_answer(client: &mut Client<'_>) -> Result<(), Finding> {
    let (answer, _) = client.hear_out(Deadline::after(LISTEN_TIME));
    silent(client, &answer)
}

/// The server has not answered.
fn silent(client: &Client<'_>, answer: &[u8]) -> Result<(), Finding> {
    if answer.is_empty() {
        return Ok(());
    }
    let came = format!("to {}: {}", client.name(), quoted(answer));
    let means = "the program answers. Senders of syslog do not read: answers \
                 pile up until nothing goes any more. What there is to say \
                 belongs on stdout or stderr.";
    Err(Finding::new(came, "no answer to a sender", means))
}

fn one_segment(trial: &Trial) -> Result<(), Finding> {
    let logger = start(trial, &[])?;
    let mut a = logger.connect("A")?;
    let words = ["m-one", "m-two", "m-three", "m-four"];
    let frames = words.map(|word| frame(format!("<13>a: {word}")));
    a.send(frames.concat())?;
    let means = "several frames came together, and not each was printed, \
                 alone and in order. Perhaps one read was taken for one \
                 message: what stands behind the first is the beginning of \
                 the next, and must not be lost or printed with it.";
    for word in words {
        let text = logger.prints(&mut a, &[word], means)?;
        if text.matches("m-").count() > 1 {
            let came = format!("in one line: {text:?}");
            return Err(Finding::new(came, "a line for each", means));
        }
    }
    many_frames(&logger, &mut a)
}

/// One connection carries any number of frames.
fn many_frames(logger: &Logger<'_>, a: &mut Client<'_>) -> Result<(), Finding> {
    let text = |nth: usize| format!("<13>a: nth-{nth:04}");
    let name = a.name();
    a.note(format!("{name} sends {FRAMES} frames, nth-0001 and so on"));
    let frame = |text: String| format!("{} {text}", text.len());
    let frames: String = (1..=FRAMES).map(|n| frame(text(n))).collect();
    a.say(&frames)?;
    let until = Deadline::after(TALK_TIME);
    for nth in 1..=FRAMES {
        if until.is_over() {
            return Ok(());
        }
        let means = format!(
            "{} of {FRAMES} frames were printed. A connection carries any \
             number of them: perhaps the program counts them, or forgets \
             what it has read ahead.",
            nth - 1
        );
        logger.prints(a, &[&format!("nth-{nth:04}")], &means)?;
    }
    let means = "the frames came, and then one more line.";
    logger.nothing_of(a.address, means)
}

fn many_segments(trial: &Trial) -> Result<(), Finding> {
    let logger = start(trial, &[])?;
    let mut a = logger.connect("A")?;
    let means = "a frame came in pieces. Perhaps one read was taken for one \
                 message, or for one length. It returned only a part: read \
                 on until all octets are there.";
    let message = frame("<13>a: in-small-pieces");
    let (all_but_one, last) = message.split_at(message.len() - 1);
    let (length, begin) = all_but_one.split_at(3);
    let hung_up = |finding: Finding| finding.meaning(means);
    a.send_in_bytes(length, 2 * PAUSE).map_err(hung_up)?;
    a.send_in_bytes(begin, Duration::from_millis(15)).map_err(hung_up)?;
    thread::sleep(PAUSE);
    logger.nothing_of(a.address, means)?;
    a.send(last).map_err(hung_up)?;
    logger.prints(&mut a, &["in-small-pieces"], means)?;

    let long = long_text(TEXT);
    for piece in frame(&long).chunks(700) {
        a.send(piece).map_err(hung_up)?;
        thread::sleep(PAUSE / 4);
    }
    a.send(frame("<13>a: behind-the-long"))?;
    whole(&logger, &mut a, &long, means)?;
    logger.prints(&mut a, &["behind-the-long"], means).map(drop)
}

/// However a message is cut into pieces, it is the same message.
fn same_in_pieces(
    logger: &Logger<'_>,
    a: &mut Client<'_>,
) -> Result<(), Finding> {
    let message = frame("<13>a: \u{f6}\u{2713}\u{1f600} to-compare");
    a.send(&message)?;
    let means = "a message was sent in one piece, and again in pieces of one \
                 octet. Perhaps each piece is made a text of its own: in \
                 UTF-8 a letter may have several octets. Collect the octets, \
                 and make a text of all of them.";
    let whole = logger.prints(a, &["to-compare"], means)?;
    a.send_in_bytes(&message, Duration::from_millis(10))?;
    let pieces = logger.prints(a, &["to-compare"], means)?;
    if whole == pieces {
        return Ok(());
    }
    let expected = format!("the same text twice: {whole:?}");
    Err(Finding::new(format!("then {pieces:?}"), expected, means))
}

/// A message of words with numbers: what is missing can be seen.
fn long_text(octets: usize) -> String {
    let words: Vec<_> = (1..=octets).map(|n| format!("w{n}")).collect();
    let mut text = format!("<13>a: {}", words.join(" "));
    text.truncate(octets);
    text
}

/// The text of a long message is printed, as much of it as we see.
fn whole(
    logger: &Logger<'_>,
    from: &mut Client<'_>,
    message: &str,
    means: &str,
) -> Result<(), Finding> {
    let text = logger.prints(from, &["w1 w2 w3 "], means)?;
    let message = &message[message.find("w1 ").unwrap_or(0)..];
    if text.contains(message) {
        return Ok(());
    }
    let end = &message[message.len() - 20..];
    let means = "the message's beginning was printed, and not all of it. \
                 Perhaps it was cut for the line, or a read was taken for \
                 the whole message.";
    let came = format!("a text of {} characters", text.chars().count());
    Err(Finding::new(
        came,
        format!("all of it: … {}", quoted(end.as_bytes())),
        means,
    ))
}

fn octets(trial: &Trial) -> Result<(), Finding> {
    let logger = start(trial, &[])?;
    let mut a = logger.connect("A")?;
    let means = "perhaps the length was taken as a number of characters. It \
                 counts octets: in UTF-8 an ö has two of them. Read bytes, \
                 and make text of them afterwards.";
    let text = "<13>be-fore \u{f6}\u{2713}\u{1f600} af-ter";
    a.send([frame(text), frame("<13>next-one")].concat())?;
    logger.prints(&mut a, &["be-fore", "af-ter"], means)?;
    logger.prints(&mut a, &["next-one"], means)?;

    line_feed(&logger, &mut a)?;
    not_utf8(&logger, &mut a)?;
    as_it_is(&logger, &mut a)?;
    controls(&logger, &mut a)?;
    same_in_pieces(&logger, &mut a)
}

fn line_feed(logger: &Logger<'_>, a: &mut Client<'_>) -> Result<(), Finding> {
    a.send([frame("<13>line-a\nline-b\n"), frame("<13>next-two")].concat())?;
    let taken = "a message has a line feed in it. Perhaps that was taken for \
                 the end: the length alone says where a message ends.";
    let printed = "a message has a line feed in it, which was printed as it \
                   is: the line ends there. Escape it.";
    let means = |finding: Finding| {
        if logger.has_other("line-b") {
            finding.meaning(printed)
        } else {
            finding
        }
    };
    logger.prints(a, &["line-a", "line-b"], taken).map_err(means)?;
    logger.prints(a, &["next-two"], taken).map(drop)
}

fn not_utf8(logger: &Logger<'_>, a: &mut Client<'_>) -> Result<(), Finding> {
    let raw = frame(b"<13>raw-a\xff\x80\xc3raw-b");
    a.send([raw, frame("<13>next-three")].concat())?;
    let means = "a message was sent that is not UTF-8. It need not be: \
                 perhaps from_utf8 returned an error for it. Escape such \
                 octets, and go on.";
    logger.prints(a, &["raw-a", "raw-b"], means)?;
    logger.prints(a, &["next-three"], means).map(drop)
}

/// Spaces belong to the message, at its ends, too.
fn as_it_is(logger: &Logger<'_>, a: &mut Client<'_>) -> Result<(), Finding> {
    a.send([frame("  in  spaces  "), frame("<13>next-four")].concat())?;
    let means = "a message begins with spaces. One space ends the length; \
                 those behind it belong to the message, and are counted.";
    let text = logger.prints(a, &["in", "spaces"], means)?;
    if !text.contains("  in  spaces  ") {
        let means = "spaces of the message are missing. Perhaps it was \
                     trimmed, or spaces behind the length were skipped: \
                     only one belongs to the length.";
        let expected = "the text with \"  in  spaces  \"";
        return Err(Finding::new(format!("{text:?}"), expected, means));
    }
    logger.prints(a, &["next-four"], means).map(drop)
}

/// All 65 control characters of Unicode, but the line feed: that was tried.
fn controls(logger: &Logger<'_>, a: &mut Client<'_>) -> Result<(), Finding> {
    let ascii = ('\0'..='\u{1f}').filter(|c| *c != '\n');
    let all: String = ascii.chain('\u{7f}'..='\u{9f}').collect();
    a.send(frame(format!("<13>ctl-a {all} ctl-b")))?;
    let means = "a message has control characters in it. They end nothing: \
                 escape them, and go on.";
    let text = logger.prints(a, &["ctl-a", "ctl-b"], means)?;
    let raw: String = text.chars().filter(|c| c.is_control()).collect();
    let Some(first) = raw.chars().next() else { return Ok(()) };
    let means = if first < '\u{80}' {
        "control characters of the message were printed as they are: with \
         them a sender plays with the terminal of whoever reads the log. \
         Escape them."
    } else {
        "control characters from U+0080 to U+009F were printed as they are; \
         to some terminals U+009B is what ESC [ is. Perhaps the program asks \
         is_ascii_control, which knows those of ASCII alone: is_control \
         knows all."
    };
    let came = format!("on stdout, as it is: {}", first.escape_unicode());
    Err(Finding::new(came, "the text without control characters", means))
}
