//! ex03: a chat room. Each line goes to everyone else.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use harness::Deadline;

use crate::client::{BROKEN, Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::ladder::{Exercise, Rung};
use crate::start;
use crate::trial::{ANSWER_TIME, Server, Trial};

/// A chat room.
pub static CHAT: Exercise = Exercise {
    name: "ex03",
    folder: "03_chat",
    title: "a chat room",
    rungs: &[
        Rung { name: "it starts", try_it: |t| start::it_starts(t, &[]) },
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

/// How long we wait before we ask for the same thing once more.
const AGAIN_TIME: Duration = Duration::from_millis(250);

/// How many clients the crowd has.
const CROWD: usize = 20;

/// How long it may take until the whole crowd has heard a line.
const CALL_TIME: Duration = Duration::from_secs(8);

/// How often the whole crowd talks at the same time: each time is another
/// chance for lines to get mixed.
const ROUNDS: usize = 30;

/// No further round begins after this time.
const CROWD_TIME: Duration = Duration::from_secs(4);

/// How many lines each of them says in a round. A server need not keep more
/// than 200 lines for anybody.
const LINES: usize = 4;

/// What passes a client who does not read, in bytes. The buffers between him
/// and the server hold less: 1.6 MB were measured on Linux.
const PASSING: usize = 3 * 1024 * 1024;

/// After this time less is enough: a server may send each byte alone.
const PASSING_TIME: Duration = Duration::from_millis(3500);

/// The length of a line in it.
const LONG_LINE: usize = 1000;

/// How many of these lines are on the way at once. A server may let those go
/// who have missed much more than that.
const ON_THE_WAY: usize = 64;

/// What a line that came in the wrong pieces means.
const CHUNKS: &str = "one read was taken for one line. A read returns what \
                      has come so far: half a line, or half a character, or \
                      several lines. Collect the bytes, and hand out what \
                      stands before each \\n, once and unchanged, up to 1,000 \
                      bytes.";

fn start(trial: &Trial) -> Result<Server<'_>, Finding> {
    trial.start(&["--port", "0"])
}

/// What a line is, to somebody who waits for the message `text` of `sender`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// The message, with the sender's address before it.
    Message,
    /// The message, and not the sender's address before it.
    Nameless,
    /// Something else, such as a notice.
    Other,
}

fn kind(line: &[u8], sender: &Client<'_>, text: &str) -> Line {
    let line = String::from_utf8_lossy(line);
    let Some(head) = line.strip_suffix(text) else {
        return Line::Other;
    };
    if names(head, &sender.address.to_string()) {
        Line::Message
    } else {
        Line::Nameless
    }
}

/// Whether the line has this address: not as the beginning of a longer one.
fn names(line: &str, address: &str) -> bool {
    line.match_indices(address).any(|(at, _)| {
        let rest = &line[at + address.len()..];
        !rest.starts_with(|next: char| next.is_ascii_digit())
    })
}

/// Waits until `listener` hears the message, with the sender's address or
/// without it; returns the lines up to it.
fn hears_at_all(
    listener: &mut Client<'_>,
    sender: &Client<'_>,
    text: &str,
    until: Deadline,
) -> Result<Vec<Vec<u8>>, Finding> {
    let mut lines = Vec::new();
    let means = loop {
        match listener.line(until) {
            Ok(line) => {
                let kind = kind(&line, sender, text);
                lines.push(line);
                if kind != Line::Other {
                    return Ok(lines);
                }
            }
            Err(ReadEnd::Silence) => {
                break "the server does not bring the line to the others, or \
                       only after something else has happened.";
            }
            Err(_) => {
                break "the server closed the connection of a client who did \
                       nothing wrong. If each has a queue: is it long enough?";
            }
        }
    };
    Err(missed(listener, sender, text, &lines, means))
}

/// Waits until `listener` hears the message; returns the lines before it.
fn hears(
    listener: &mut Client<'_>,
    sender: &Client<'_>,
    text: &str,
    until: Deadline,
) -> Result<Vec<Vec<u8>>, Finding> {
    let mut lines = hears_at_all(listener, sender, text, until)?;
    let last = lines.last().map(|line| kind(line, sender, text));
    if last == Some(Line::Nameless) {
        let means = "the line must begin with the address of the client who \
                     sent it: the one that accept returned with that \
                     connection.";
        return Err(missed(listener, sender, text, &lines, means));
    }
    lines.pop();
    Ok(lines)
}

fn missed(
    listener: &Client<'_>,
    sender: &Client<'_>,
    text: &str,
    others: &[Vec<u8>],
    means: &str,
) -> Finding {
    let name = listener.name();
    let mut came: Vec<_> =
        others.iter().rev().take(5).rev().map(|line| quoted(line)).collect();
    if !listener.heard().is_empty() {
        came.push(format!("{} without a line end", quoted(listener.heard())));
    }
    if came.is_empty() {
        came.push("nothing more".to_owned());
    }
    let line = format!("{} {text}\n", sender.address);
    Finding::new(
        format!("to {name}: {}", came.join(", ")),
        format!("to {name}: {}", quoted(line.as_bytes())),
        means,
    )
}

fn soon() -> Deadline {
    Deadline::after(ANSWER_TIME)
}

fn soon_again() -> Deadline {
    Deadline::after(AGAIN_TIME)
}

/// Two clients who both hear the room.
///
/// A server may need a moment until somebody who has connected is in the room.
/// So each says a line again and again until the other hears it.
fn pair<'t>(
    server: &'t Server<'_>,
) -> Result<(Client<'t>, Client<'t>), Finding> {
    let mut a = server.connect("A")?;
    let mut b = server.connect("B")?;
    introduce(&mut a, &mut b)?;
    introduce(&mut b, &mut a)?;
    Ok((a, b))
}

/// `sender` says a line until `listener` hears it, and then another one, which
/// tells that no more of the first are on the way. A slow server may read
/// several of these lines at once, so they are not judged.
fn introduce(
    sender: &mut Client<'_>,
    listener: &mut Client<'_>,
) -> Result<(), Finding> {
    let (until, mut calls) = (soon(), 0);
    let text = format!("{} calls", sender.name());
    loop {
        sender.send(format!("{text}\n"))?;
        calls += 1;
        let again = soon_again().min(until);
        match hears_at_all(listener, sender, &text, again) {
            Ok(_) => break,
            // Silence may pass; anything else will not.
            Err(finding) if !again.is_over() || again == until => {
                return Err(finding);
            }
            Err(_) => {}
        }
    }
    // What a slow server has not read yet must not get into one read with the
    // next line. Calls of before the listener was in the room are lost.
    for _ in 1..calls {
        if hears_at_all(listener, sender, &text, soon_again()).is_err() {
            break;
        }
    }
    let text = format!("{} is done", sender.name());
    sender.send(format!("{text}\n"))?;
    hears_at_all(listener, sender, &text, soon()).map(drop)
}

fn two_at_once(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut a = server.connect("A")?;
    let mut b = server.connect("B")?;
    trial.note("A is silent");
    let (text, until) = ("B calls", soon());
    let mut lines = Vec::new();
    while !until.is_over() {
        b.send(format!("{text}\n"))?;
        let again = soon_again().min(until);
        let end = loop {
            match a.line(again) {
                // Whether the address is there is the next rung's business.
                Ok(line) if kind(&line, &b, text) != Line::Other => {
                    return Ok(());
                }
                Ok(line) => lines.push(line),
                Err(end) => break end,
            }
        };
        if end != ReadEnd::Silence {
            let means = "the server closed the connection of A, who is silent. \
                         Each client needs a thread of their own, and stays \
                         until they leave. If each has a queue: is it long \
                         enough?";
            let missed = missed(&a, &b, text, &lines, means);
            let came = format!("{}, then {end}", missed.came);
            return Err(Finding { came, ..missed });
        }
    }
    // A server that reads what B says takes all of this. One that does not
    // leaves it to the kernel, whose buffers are full before.
    let means = if b.takes(2 * PASSING) {
        "the server does not bring the line to the others, or only after \
         something else has happened."
    } else {
        "the server talks to one client at a time: while it waits for A to \
         say something, it does not even read what B says. Each client needs \
         a thread of their own."
    };
    Err(missed(&a, &b, text, &lines, means))
}

fn everyone(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;
    let mut c = server.connect("C")?;
    introduce(&mut a, &mut c)?;
    introduce(&mut c, &mut a)?;

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

/// Judges the lines that `listener` heard of `sender`, notices included: they
/// are these messages and no others.
fn exactly(
    listener: &Client<'_>,
    sender: &Client<'_>,
    texts: &[&str],
    heard: &[Vec<u8>],
    means: &str,
) -> Result<(), Finding> {
    let address = sender.address.to_string();
    let of_sender: Vec<_> = heard
        .iter()
        .filter(|line| names(&String::from_utf8_lossy(line), &address))
        .collect();
    let right = of_sender.len() == texts.len()
        && of_sender
            .iter()
            .zip(texts)
            .all(|(line, text)| kind(line, sender, text) == Line::Message);
    if right {
        return Ok(());
    }
    let name = listener.name();
    let lines = |all: Vec<String>| {
        if all.is_empty() { "no line".to_owned() } else { all.join("\n") }
    };
    let came = of_sender.iter().map(|line| quoted(line)).collect();
    let expected =
        texts.iter().map(|text| quoted(format!("{address} {text}").as_bytes()));
    Err(Finding::new(
        format!("to {name}, line by line:\n{}", lines(came)),
        format!("to {name}, line by line:\n{}", lines(expected.collect())),
        means,
    ))
}

fn comings(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;
    for (name, how) in [("C", "leaves"), ("D", "breaks off")] {
        let guest = server.connect(name)?;
        let address = guest.address.to_string();
        for listener in [&mut a, &mut b] {
            let means = "the others are not told when somebody comes, or \
                         only when that client says something.";
            is_told(listener, &address, &format!("{name} has come"), means)?;
        }
        for listener in [&mut a, &mut b] {
            // There may be several lines about it.
            while listener.line(Deadline::after(AGAIN_TIME)).is_ok() {}
        }
        if how == "leaves" {
            guest.leave();
        } else {
            guest.reset();
        }
        let means = if how == "leaves" {
            "the others are not told when somebody leaves: read returns 0 then."
        } else {
            "C has left in the orderly way, and that was told. D broke off: \
             then read returns an error. It is an end like the other."
        };
        for listener in [&mut a, &mut b] {
            is_told(listener, &address, &format!("{name} has left"), means)?;
        }
    }
    Ok(())
}

/// Waits for a line with the address of somebody.
fn is_told(
    listener: &mut Client<'_>,
    address: &str,
    what: &str,
    means: &str,
) -> Result<(), Finding> {
    let until = soon();
    loop {
        match listener.line(until) {
            Ok(line) if names(&String::from_utf8_lossy(&line), address) => {
                return Ok(());
            }
            Ok(_) => {}
            Err(end) => {
                let name = listener.name();
                return Err(Finding::new(
                    format!("to {name}: {end}"),
                    format!("to {name}: a line with {address}: {what}"),
                    means,
                ));
            }
        }
    }
}

fn lines(trial: &Trial) -> Result<(), Finding> {
    /// Time enough for the server to read a byte alone.
    const PAUSE: Duration = Duration::from_millis(20);
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;

    a.send_in_bytes("w\u{f6}rld?\n", PAUSE)?;
    a.send("one\ntwo\r\nthr")?;
    // Meanwhile another client has half a line, too.
    b.send("from ")?;
    thread::sleep(5 * PAUSE);
    a.send("ee\n")?;
    b.send("B\n")?;
    let long = "long ".repeat(LONG_LINE / 5);
    a.send(format!("{}\nend of lines\n", long.trim_end()))?;

    let heard = hears(&mut b, &a, "end of lines", soon());
    let heard = heard.map_err(|finding| finding.meaning(CHUNKS))?;
    let texts = ["w\u{f6}rld?", "one", "two", "three", long.trim_end()];
    exactly(&b, &a, &texts, &heard, CHUNKS)?;
    b.send("end of lines\n")?;
    let heard = hears(&mut a, &b, "end of lines", soon())?;
    exactly(&a, &b, &["from B"], &heard, CHUNKS)?;

    half_a_line(&server, &mut a, &mut b)
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

fn crowd(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let names = (1..=CROWD).map(|nth| format!("client {nth}"));
    let clients: Result<Vec<_>, _> =
        names.map(|name| server.connect(&name)).collect();
    let mut clients = clients?;
    all_hear_the_first(&mut clients)?;
    let addresses: Vec<_> =
        clients.iter().map(|client| client.address.to_string()).collect();
    let until = Deadline::after(CROWD_TIME);
    for round in (1..=ROUNDS).take_while(|_| !until.is_over()) {
        trial.note(format!("each of the {CROWD} says {LINES} lines"));
        for nth in 1..=LINES {
            for client in &mut clients {
                client.say(&format!("line {round}.{nth} of mine\n"))?;
            }
        }
        clients
            .iter_mut()
            .try_for_each(|client| hears_all(client, &addresses))?;
    }
    Ok(())
}

/// All clients are in the room when they have heard the first one.
fn all_hear_the_first(clients: &mut [Client<'_>]) -> Result<(), Finding> {
    let [first, second, others @ ..] = clients else { return Ok(()) };
    let not_all = |finding: Finding| {
        finding.meaning(
            "not all clients are in the room at once: there are too few \
             threads, or they wait for each other. Where lines are mixed, \
             several threads write to one connection at the same time.",
        )
    };
    introduce(first, second).map_err(not_all)?;
    introduce(second, first).map_err(not_all)?;
    // Once one has heard the call, most others have.
    let until = Deadline::after(CALL_TIME);
    for (nth, other) in others.iter_mut().enumerate() {
        introduce(first, other).map_err(not_all)?;
        if until.is_over() {
            return Err(Finding::new(
                format!("{nth} heard a line in {CALL_TIME:?}"),
                format!("all {CROWD} hear it at once"),
                "the server asks one client after the other whether there is \
                 something to read, and waits for each.",
            ));
        }
    }
    Ok(())
}

/// Waits until `listener` has heard the lines of all others in a round.
fn hears_all(
    listener: &mut Client<'_>,
    addresses: &[String],
) -> Result<(), Finding> {
    let own = listener.address.to_string();
    let others: HashSet<_> = addresses
        .iter()
        .map(String::as_str)
        .filter(|address| *address != own)
        .collect();
    let all = others.len() * LINES;
    let mut heard = HashSet::new();
    let until = soon();
    while heard.len() < all {
        let name = listener.name();
        let expected =
            format!("to {name}: {LINES} lines of each of the others");
        let line = match listener.line(until) {
            Ok(line) => line,
            Err(end) => {
                let name = listener.name();
                return Err(Finding::new(
                    format!(
                        "to {name}: {} of {all} lines, then {end}",
                        heard.len()
                    ),
                    expected,
                    lost(end),
                ));
            }
        };
        let text = String::from_utf8_lossy(&line);
        let Some((address, end)) = text.split_once("line ") else { continue };
        let mut senders = named(address, &others).into_iter();
        let number = end.strip_suffix(" of mine").map(ToOwned::to_owned);
        let number = number.filter(|number| is_number(number));
        let (Some(sender), None, Some(number)) =
            (senders.next(), senders.next(), number)
        else {
            return Err(Finding::new(
                format!("to {}: {}", listener.name(), quoted(&line)),
                expected,
                "several threads write to one connection at the same time. A \
                 line must leave in one write, or under a lock.",
            ));
        };
        heard.insert((sender, number));
    }
    Ok(())
}

/// Those of `addresses` that the text has, as `names` would find them. There
/// are many lines: each is searched once, and not once for each address.
fn named<'a>(text: &str, addresses: &HashSet<&'a str>) -> HashSet<&'a str> {
    // The clients of a room all come from one host.
    let first = addresses.iter().next();
    let Some((host, _)) = first.and_then(|a| a.rsplit_once(':')) else {
        return HashSet::new();
    };
    let host = &format!("{host}:");
    let address = |(at, _): (usize, _)| {
        let rest = &text[at + host.len()..];
        let end = rest.find(|next: char| !next.is_ascii_digit());
        let end = end.map_or(text.len(), |end| at + host.len() + end);
        addresses.get(&text[at..end]).copied()
    };
    text.match_indices(host).filter_map(address).collect()
}

/// Whether it is the number of a line: `12.3`.
fn is_number(text: &str) -> bool {
    text.split_once('.').is_some_and(|(round, nth)| {
        round.parse::<usize>().is_ok() && nth.parse::<usize>().is_ok()
    })
}

fn lost(end: ReadEnd) -> &'static str {
    match end {
        ReadEnd::End | ReadEnd::Reset => {
            "the server closed the connection of a client who listens. If \
             each has a queue, it is too short: 200 lines must fit."
        }
        _ => {
            "lines are lost when several clients talk at the same time, or \
             clients wait for each other, or there are not enough threads \
             for all."
        }
    }
}

fn slow_reader(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;
    let mut slow = server.connect_with_little_room("S")?;
    introduce(&mut a, &mut slow)?;
    trial.note("from now on S does not read");

    let batches = PASSING / (LONG_LINE * ON_THE_WAY);
    trial.note(format!(
        "A sends {batches} batches of {ON_THE_WAY} lines of {LONG_LINE} bytes; \
         B listens after each"
    ));
    let until = Deadline::after(PASSING_TIME);
    for nth in 1..=batches {
        if until.is_over() {
            break;
        }
        let line = |line: usize| {
            let number = format!("line {line} of batch {nth} ");
            format!("{number:=<LONG_LINE$}")
        };
        let batch: Vec<_> = (1..=ON_THE_WAY).map(line).collect();
        a.say(&format!("{}\n", batch.join("\n")))?;
        let last = batch.last().map_or("", String::as_str);
        hears(&mut b, &a, last, soon()).map_err(|finding| Finding {
            came: format!("after batch {nth}: {}", finding.came),
            means: "the write to S waits, for S reads nothing and all \
                    buffers are full; and everyone waits for that write, or \
                    for a lock that is held during it."
                .to_owned(),
            ..finding
        })?;
    }
    drop(slow);
    Ok(())
}

fn bad_clients(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;
    let harmed = |finding: Finding| {
        finding.harm(
            "one client's trouble has hit others: an unwrap on a lock or a \
             write, ? in the accept loop, or a loop over all clients that \
             ends at the first one who is gone.",
        )
    };
    let endless = misbehave(&server, &mut a).map_err(harmed)?;

    let mut c = server.connect("C").map_err(harmed)?;
    introduce(&mut a, &mut b).map_err(harmed)?;
    introduce(&mut b, &mut a).map_err(harmed)?;
    introduce(&mut c, &mut a).map_err(harmed)?;
    introduce(&mut a, &mut c).map_err(harmed)?;
    drop(endless);
    Ok(())
}

/// Breaks, nonsense, and a line without an end, whose sender stays.
fn misbehave<'t>(
    server: &'t Server<'_>,
    witness: &mut Client<'_>,
) -> Result<Client<'t>, Finding> {
    server.broken_clients(BROKEN)?;
    let mut bad = server.connect("a bad client")?;
    bad.send("half a li")?;
    bad.reset();
    no_text(server, witness)?;
    let mut endless = server.connect("an endless client")?;
    endless.flood(1024 * 1024);
    Ok(endless)
}

/// A client who sends bytes that are no text, and leaves: that is told like
/// any other leaving.
fn no_text(
    server: &Server<'_>,
    witness: &mut Client<'_>,
) -> Result<(), Finding> {
    const END: &str = " is not UTF-8";
    let mut bad = server.connect("a bad client")?;
    let address = bad.address.to_string();
    is_told(witness, &address, "the bad client has come", "")?;
    // The server may hang up on it.
    let _ = bad.send([b"\xff\xfe", END.as_bytes(), b"\n"].concat());
    bad.leave();
    let until = soon();
    loop {
        match witness.line(until).map(|line| {
            let line = String::from_utf8_lossy(&line).into_owned();
            names(&line, &address) && !line.ends_with(END)
        }) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(end) => {
                let name = witness.name();
                return Err(Finding::new(
                    format!("to {name}: {end}"),
                    format!("to {name}: a line with {address}: it has left"),
                    "",
                ));
            }
        }
    }
}
