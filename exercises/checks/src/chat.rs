//! ex03: a chat room. Each line goes to everyone else.

mod bad;
mod crowd;
mod room;

use std::thread;
use std::time::Duration;

use harness::Deadline;

use crate::client::{Client, ReadEnd, without_the_line};
use crate::finding::{Finding, quoted};
use crate::ladder::{Exercise, Rung};
use crate::start::{it_starts, on_hosts};
use crate::trial::{Server, Trial};
use bad::{bad_clients, slow_reader};
use crowd::crowd;
use room::{
    AGAIN_TIME, Line, OTHER_ORDER, exactly, hears, hears_at_all, introduce,
    is_told, join, kind, missed, names, pair, soon, soon_again, start,
};

/// A chat room.
pub static CHAT: Exercise = Exercise {
    name: "ex03",
    folder: "03_chat",
    title: "a chat room",
    rungs: &[
        Rung { name: "it starts", try_it: starts },
        Rung { name: "two at once", try_it: two_at_once },
        Rung { name: "to everyone else, with the address", try_it: everyone },
        Rung { name: "who comes and goes is told", try_it: comings },
        Rung { name: "lines, not chunks", try_it: lines },
        Rung { name: "a crowd", try_it: crowd },
        Rung {
            name: "a client who does not read holds up nobody",
            try_it: slow_reader,
        },
        Rung { name: "a bad client harms nobody", try_it: bad_clients },
    ],
};

/// How long silence is judged, and half a line has to wait.
const SILENCE: Duration = Duration::from_secs(3);

/// What a server reads before it is said not to read: the buffers between hold
/// less, 1.6 MB were measured on Linux.
const NOT_BUFFERED: usize = 6 * 1024 * 1024;

/// The longest line that must be delivered, in bytes.
const LONGEST: usize = 1000;

/// What a line that came in the wrong pieces means.
const CHUNKS: &str = "perhaps one read was taken for one line. A read returns what \
                      has come so far: half a line, or half a character, or \
                      several lines. Collect the bytes, and hand out what \
                      stands before each \\n, once and unchanged.";

fn starts(trial: &Trial) -> Result<(), Finding> {
    it_starts(trial, &[])?;
    on_hosts(trial, &[])
}

fn two_at_once(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut a = server.connect("A")?;
    let mut b = server.connect("B")?;
    trial.note("A is silent");
    let silent = Deadline::after(SILENCE);
    first_call(&mut a, &mut b)?;
    // One call may have been one of several: this line is said once.
    b.send("B has called\n")?;
    hears_any(&mut a, &b, "B has called", "only when the next one comes")?;

    trial.note(format!("A and B are silent for {SILENCE:?} in all"));
    thread::sleep(silent.left().unwrap_or_default());
    b.send("B is back\n").map_err(silence_ended)?;
    let means = "brings it no more after a silence of that time";
    hears_any(&mut a, &b, "B is back", means).map_err(silence_ended)?;
    a.send("A is back\n").map_err(silence_ended)?;
    hears_any(&mut b, &a, "A is back", means).map_err(silence_ended)
}

/// Somebody who was heard is not after a silence: that explains an end.
fn silence_ended(finding: Finding) -> Finding {
    if finding.came.ends_with("silence on the open connection") {
        return finding;
    }
    finding.meaning(
        "A and B were heard before they were silent for some seconds. \
         Perhaps a read has a time-out, which is taken for an end: most \
         clients only listen.",
    )
}

/// B calls until A hears it.
fn first_call(a: &mut Client<'_>, b: &mut Client<'_>) -> Result<(), Finding> {
    let (text, until) = ("B calls", soon());
    let mut lines = Vec::new();
    while !until.is_over() {
        b.send(format!("{text}\n"))?;
        let again = soon_again().min(until);
        let end = loop {
            match a.line(again) {
                // Whether the address is there is the next rung's business.
                Ok(line) if kind(&line, b, text) != Line::Other => {
                    return Ok(());
                }
                Ok(line) => lines.push(line),
                Err(end) => break end,
            }
        };
        if end != ReadEnd::Silence {
            let means = "the server closed the connection of A, who is silent. \
                         Each client needs a thread of their own, and stays \
                         until they leave.";
            let missed = missed(a, b, text, &lines, means);
            let came = format!("{}, then {end}", missed.came);
            return Err(Finding { came, ..missed });
        }
    }
    let means = not_called(a, b, text);
    Err(missed(a, b, text, &lines, means))
}

/// Why A has not heard a call of B.
fn not_called(a: &Client<'_>, b: &mut Client<'_>, text: &str) -> &'static str {
    if String::from_utf8_lossy(a.heard()).contains(text) {
        return "the text came, and no line feed behind it: the others cannot \
                know that the line is whole. Send a \\n after each.";
    }
    // A server that reads what B says takes all of this. One that does not
    // leaves it to the kernel, whose buffers are full before.
    if b.takes(NOT_BUFFERED) {
        "the server does not bring the line to the others, or too late, or \
         only after something else has happened."
    } else {
        "the server talks to one client at a time: while it waits for A to \
         say something, it does not even read what B says. Each client needs \
         a thread of their own."
    }
}

/// Waits until `listener` hears the text, with or without an address.
fn hears_any(
    listener: &mut Client<'_>,
    sender: &Client<'_>,
    text: &str,
    when: &str,
) -> Result<(), Finding> {
    let heard = hears_at_all(listener, sender, text, soon());
    heard.map(drop).map_err(|missed| {
        let means = format!(
            "earlier lines came, and this one did not: perhaps the server \
             brings a line {when}. A buffer that is not flushed does so, too."
        );
        missed.silence(&means)
    })
}

fn everyone(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;
    let mut c = join(&server, "C", &mut a)?;

    for text in ["listen", "A says this", "and that"] {
        a.send(format!("{text}\n"))?;
        for listener in [&mut b, &mut c] {
            let between = hears(listener, &a, text, soon())?;
            if text != "listen" {
                let means = "each line goes to each client once: the list \
                             holds a client twice, or the line is said twice.";
                exactly(listener, &a, &[], &between, means)?;
            }
        }
    }
    // When B's line comes, A's own would have come before.
    b.send("now B\n")?;
    let heard = hears(&mut a, &b, "now B", soon())?;
    let own = heard.iter().find(|line| line.ends_with(b"A says this"));
    own.map_or(Ok(()), |own| {
        Err(Finding::new(
            format!("to A: {}", quoted(own)),
            "to A: no line of A's own",
            "the line goes to everyone. Leave the sender out.",
        ))
    })
}

/// What it means when nobody hears of these ways to leave.
const LEAVING: &str = "when a client leaves, read returns 0: tell the others \
                       then, with the address.";
const ENDING: &str = "D has left, and that was told. C has ended the sending \
                      side, and still listens: read returns 0 then, too, and \
                      that is a leaving. Perhaps the server waits until a \
                      write fails.";
const BREAKING_OFF: &str = "D and C have left in the orderly way, and that was \
                            told. E broke off: then read returns an error. It \
                            is an end like the other.";

/// How a guest leaves.
#[derive(Clone, Copy)]
enum Leaving {
    BreaksOff,
    EndsSending,
    Leaves,
}

fn comings(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;
    let mut guests = Vec::new();
    for name in ["C", "D", "E"] {
        let guest = server.connect(name)?;
        let address = guest.address.to_string();
        for listener in [&mut a, &mut b] {
            let means = "the others are not told when somebody comes, or not \
                         with the address, or only when that client says \
                         something.";
            is_told(listener, &address, &format!("{name} has come"), means)?;
        }
        guests.push(guest);
    }
    // First the one in the middle.
    leaves(guests.remove(1), Leaving::Leaves, &mut a, &mut b)?;
    still_here(&mut a, &mut b, &mut guests)?;
    leaves(guests.remove(0), Leaving::EndsSending, &mut a, &mut b)?;
    still_here(&mut a, &mut b, &mut guests)?;
    leaves(guests.remove(0), Leaving::BreaksOff, &mut a, &mut b)
}

/// Somebody leaves, and the others are told.
fn leaves<'t>(
    mut guest: Client<'t>,
    how: Leaving,
    a: &mut Client<'t>,
    b: &mut Client<'t>,
) -> Result<(), Finding> {
    for listener in [&mut *a, &mut *b] {
        // There may be several lines about a coming.
        while listener.line(Deadline::after(AGAIN_TIME)).is_ok() {}
    }
    let (name, address) = (guest.name().to_owned(), guest.address.to_string());
    // Who has ended the sending side alone stays connected.
    let (means, _connected) = match how {
        Leaving::Leaves => {
            guest.leave();
            (LEAVING, None)
        }
        Leaving::BreaksOff => {
            guest.reset();
            (BREAKING_OFF, None)
        }
        Leaving::EndsSending => {
            guest.end();
            (ENDING, Some(guest))
        }
    };
    for listener in [a, b] {
        is_told(listener, &address, &format!("{name} has left"), means)?;
    }
    Ok(())
}

/// Those who have not left hear, and are heard.
fn still_here(
    a: &mut Client<'_>,
    b: &mut Client<'_>,
    guests: &mut [Client<'_>],
) -> Result<(), Finding> {
    const MEANS: &str = "somebody else has left, and these two had not. \
                         Perhaps the wrong one was taken off the list: the \
                         last, say, or the one whose place has moved.";
    a.send("who is here?\n")?;
    hears(b, a, "who is here?", soon()).map_err(|m| m.silence(MEANS))?;
    for guest in guests {
        hears(guest, a, "who is here?", soon())
            .map_err(|missed| missed.finding.meaning(MEANS))?;
        let text = format!("{} is", guest.name());
        guest.send(format!("{text}\n"))?;
        hears(a, guest, &text, soon()).map_err(|m| m.silence(MEANS))?;
    }
    Ok(())
}

fn lines(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;
    let mut slow = join(&server, "S", &mut a)?;
    let begun = Deadline::after(SILENCE);
    slow.send("half a line, ")?;
    // What was said until now is not judged.
    a.send("lines begin\n")?;
    hears(&mut b, &a, "lines begin", soon())?;

    pieces(&mut a, &mut b)?;
    let means = "the \\r right before the \\n was taken for a part of the \
                 line. Take it off, too.";
    arrives(&mut a, &mut b, "with a return\r\n", &["with a return"], means)?;
    long_lines(&mut a, &mut b)?;
    odd_lines(&mut a, &mut b)?;
    in_order(&mut a, &mut b)?;
    half_a_line(&server, &mut a, &mut b)?;
    the_other_half(&mut slow, &mut a, begun)
}

/// What a sends arrives as these lines.
fn arrives(
    a: &mut Client<'_>,
    b: &mut Client<'_>,
    sent: &str,
    texts: &[&str],
    means: &str,
) -> Result<(), Finding> {
    a.send(format!("{sent}end of lines\n"))?;
    let heard = hears(b, a, "end of lines", soon());
    let heard = heard.map_err(|missed| {
        let name = a.name();
        let text = format!("{name} sent nothing that is not allowed. {means}");
        missed.finding.meaning(if missed.end == ReadEnd::Silence {
            means
        } else {
            &text
        })
    })?;
    let Err(finding) = exactly(b, a, texts, &heard, means) else {
        return Ok(());
    };
    let other_order = in_another_order(a, b, texts, heard);
    Err(if other_order { finding.meaning(OTHER_ORDER) } else { finding })
}

/// Whether all of the texts came, or come now, and not as they were said.
fn in_another_order(
    a: &Client<'_>,
    b: &mut Client<'_>,
    texts: &[&str],
    heard: Vec<Vec<u8>>,
) -> bool {
    let (before, mut all) = (heard.len(), heard);
    while let Ok(line) = b.line(soon_again()) {
        all.push(line);
    }
    let place = |text: &&str| {
        all.iter().position(|line| kind(line, a, text) == Line::Message)
    };
    let places: Option<Vec<_>> = texts.iter().map(place).collect();
    places.is_some_and(|places| {
        !places.is_sorted() || places.iter().any(|place| *place >= before)
    })
}

/// Lines in pieces, and several at once, of two clients.
fn pieces(a: &mut Client<'_>, b: &mut Client<'_>) -> Result<(), Finding> {
    /// Time enough for the server to read a byte alone.
    const PAUSE: Duration = Duration::from_millis(20);
    const LETTERS: &str = "w\u{f6}rld \u{20ac}\u{1f980}?";
    a.send("one\ntwo\nthr")?;
    // Meanwhile another client has half a line, too.
    b.send("from ")?;
    thread::sleep(5 * PAUSE);
    b.send("B\n")?;
    arrives(a, b, "ee\n", &["one", "two", "three"], CHUNKS)?;
    arrives(b, a, "", &["from B"], CHUNKS)?;
    let means = "letters that are not ASCII were changed. Perhaps the text \
                 was taken for another encoding: all text is UTF-8.";
    arrives(a, b, &format!("{LETTERS}\n"), &[LETTERS], means)?;
    a.send_in_bytes(format!("{LETTERS}\n"), PAUSE)?;
    arrives(a, b, "", &[LETTERS], CHUNKS)
}

/// Lines of exactly the length that must be delivered.
fn long_lines(a: &mut Client<'_>, b: &mut Client<'_>) -> Result<(), Finding> {
    const MEANS: &str = "a line of 1,000 bytes did not arrive whole. Perhaps \
                         the limit is too low, or counts the line's end or \
                         the address, too; or letters of several bytes were \
                         cut where a read ended.";
    let plain = "long ".repeat(LONGEST / 5 - 1) + "long.";
    // Ten bytes: an end of a read at any even number cuts a letter.
    let letters = "\u{20ac}\u{f6}\u{1f980}.".repeat(LONGEST / 10);
    arrives(a, b, &format!("{plain}\n"), &[&plain], MEANS)?;
    arrives(a, b, &format!("{letters}\r\n"), &[&letters], MEANS)?;
    let sent = format!("{letters}\n{letters}\n{plain}\n");
    arrives(a, b, &sent, &[&letters, &letters, &plain], MEANS)
}

/// Lines that are unusual, and lines like any other.
fn odd_lines(a: &mut Client<'_>, b: &mut Client<'_>) -> Result<(), Finding> {
    for (text, means) in [
        (
            "  spaces, ",
            "the spaces at the ends belong to the line. Perhaps it \
                        was trimmed: take off the \\n, and one \\r before it.",
        ),
        ("tab\there", "a tab belongs to the line, and nothing changes it."),
        (
            "\r in \r it",
            "only a \\r right before the \\n is no part of the line. \
                         Perhaps another one ended a line, or was taken away.",
        ),
        (
            "\u{b}, \u{c}, \u{85}, \u{2028}",
            "a line ends with \\n and with \
                        nothing else. Perhaps it was split where Unicode knows \
                        other ends of lines, as Python's splitlines does.",
        ),
    ] {
        arrives(a, b, &format!("{text}\n"), &[text], means)?;
        let means = &format!("{means} Here the line ended with \\r\\n.");
        arrives(a, b, &format!("{text}\r\n"), &[text], means)?;
    }
    two_returns(a, b)?;
    // They may be delivered.
    a.send("\n\r\nafter empty lines\n")?;
    let means = "A sent two empty lines, and then one that did not arrive. \
                 Perhaps an empty line was taken for the end of the stream.";
    hears(b, a, "after empty lines", soon())
        .map(drop)
        .map_err(|missed| missed.finding.meaning(means))
}

/// Of two carriage returns at the end, the first belongs to the line. What the
/// server's own lines end with, a line with one return tells.
fn two_returns(a: &mut Client<'_>, b: &mut Client<'_>) -> Result<(), Finding> {
    const ONE: &str = "one return";
    const TWO: &str = "two returns";
    const MEANS: &str = "two \\r stood before the \\n, and only the last one \
                         is no part of the line. Perhaps all were taken off, \
                         or none was.";
    let one = comes_as(a, b, ONE, "\r\n")?;
    let end = if one.ends_with(b"\r\n") { "\r\n" } else { "\n" };
    let two = comes_as(a, b, TWO, "\r\r\n")?;
    let expected = format!("{} {TWO}\r{end}", a.address);
    if two.ends_with(format!("{TWO}\r{end}").as_bytes()) {
        return Ok(());
    }
    Err(Finding::new(
        format!("to {}: {}", b.name(), quoted(&two)),
        format!("to {}: {}", b.name(), quoted(expected.as_bytes())),
        MEANS,
    ))
}

/// As what a line of A's comes to B, with its end.
fn comes_as(
    a: &mut Client<'_>,
    b: &mut Client<'_>,
    text: &str,
    end: &str,
) -> Result<Vec<u8>, Finding> {
    a.send(format!("{text}{end}"))?;
    let until = soon();
    loop {
        match b.whole_line(until) {
            Ok(line) if String::from_utf8_lossy(&line).contains(text) => {
                return Ok(line);
            }
            Ok(_) => {}
            Err(end) => {
                return Err(Finding::new(
                    format!("to {}: {}", b.name(), without_the_line(end)),
                    format!("to {}: \"{} {text}\"", b.name(), a.address),
                    "earlier lines came, and this one did not. Perhaps its \
                     carriage returns were taken for something else than a \
                     part of a line.",
                ));
            }
        }
    }
}

/// Many lines at once, of one client.
fn in_order(a: &mut Client<'_>, b: &mut Client<'_>) -> Result<(), Finding> {
    let texts: Vec<_> = (1..=20).map(|nth| format!("{nth}.")).collect();
    let sent = texts.join("\n") + "\n";
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    arrives(a, b, &sent, &texts, CHUNKS)
}

/// A line that never ends is no message, even when its sender has left.
fn half_a_line(
    server: &Server<'_>,
    a: &mut Client<'_>,
    b: &mut Client<'_>,
) -> Result<(), Finding> {
    let mut c = server.connect("C")?;
    introduce(&mut c, a)?;
    c.send("only half")?;
    let address = c.address.to_string();
    c.leave();
    // The half would come before the notice, if the server sends one.
    let mut heard = Vec::new();
    let until = Deadline::after(4 * AGAIN_TIME);
    while let Ok(line) = a.line(until) {
        let notice = names(&String::from_utf8_lossy(&line), &address);
        heard.push(line);
        if notice {
            break;
        }
    }
    b.send("C is gone\n")?;
    heard.extend(hears(a, b, "C is gone", soon())?);
    let half = heard.iter().find(|line| line.ends_with(b"only half"));
    half.map_or(Ok(()), |half| {
        Err(Finding::new(
            format!("to A: {}", quoted(half)),
            "to A: nothing of C's half line",
            "what has no \\n at the end of the stream was taken for a line. \
             BufRead::lines and read_line return it, too: look at the last \
             byte.",
        ))
    })
}

/// Half a line waits for the rest, which comes in small pieces.
fn the_other_half(
    slow: &mut Client<'_>,
    a: &mut Client<'_>,
    begun: Deadline,
) -> Result<(), Finding> {
    const MEANS: &str = "half a line was not there any more when the rest \
                         came, some seconds later. Perhaps a read has a \
                         time-out, and what had come until then is lost.";
    let late = |finding: Finding| finding.meaning(MEANS);
    // In between, what comes a little at a time.
    thread::sleep(begun.left().unwrap_or_default());
    slow.send_in_bytes("and the other", Duration::from_millis(5))
        .map_err(late)?;
    slow.send(" half\n").map_err(late)?;
    slow.send("end of S\n").map_err(late)?;
    let heard =
        hears(a, slow, "end of S", soon()).map_err(|m| late(m.into()))?;
    let whole = ["half a line, and the other half"];
    exactly(a, slow, &whole, &heard, MEANS)
}
