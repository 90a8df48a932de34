//! ex03: who is in the room, and what they hear.

use std::thread;
use std::time::Duration;

use harness::Deadline;

use crate::client::{Client, ReadEnd, without_the_line};
use crate::finding::{Finding, quoted};
use crate::trial::{ANSWER_TIME, Server, Trial};

/// How long we wait before we ask for the same thing once more.
pub(crate) const AGAIN_TIME: Duration = Duration::from_millis(250);

/// How long a server may need to see that others have left, and there is room.
const REFUSED_TIME: Duration = Duration::from_secs(4);

/// What it may mean when the others do not hear a line.
const NOT_BROUGHT: &str = "the server does not bring the line to the others, \
                           or too late, or only after something else has \
                           happened.";

/// What it means when somebody is let go.
const LET_GO: &str = "the server closed the connection of a client who did \
                      nothing wrong. Perhaps a thread has ended that should \
                      go on, or, if each client has a queue, it is too short.";

pub(crate) fn start(trial: &Trial) -> Result<Server<'_>, Finding> {
    trial.start(&["--port", "0"])
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(ANSWER_TIME)
}

pub(crate) fn soon_again() -> Deadline {
    Deadline::after(AGAIN_TIME)
}

/// What a line is, to somebody who waits for the message `text` of `sender`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The message, with the sender's address before it.
    Message,
    /// The message, and not the sender's address before it.
    Nameless,
    /// The message, and something behind it.
    Longer,
    /// Something else, such as a notice.
    Other,
}

pub(crate) fn kind(line: &[u8], sender: &Client<'_>, text: &str) -> Line {
    let line = String::from_utf8_lossy(line);
    match line.strip_suffix(text) {
        Some(head) if names(head, &sender.address.to_string()) => Line::Message,
        Some(_) => Line::Nameless,
        None if line.contains(text) => Line::Longer,
        None => Line::Other,
    }
}

/// Whether the line has this address: not as the beginning of a longer one.
pub(crate) fn names(line: &str, address: &str) -> bool {
    line.match_indices(address).any(|(at, _)| {
        let rest = &line[at + address.len()..];
        !rest.starts_with(|next: char| next.is_ascii_digit())
    })
}

/// Why somebody did not hear a message.
pub(crate) struct Missed {
    pub(crate) end: ReadEnd,
    pub(crate) finding: Finding,
}

/// Where more matters than that a message is missed.
impl From<Missed> for Finding {
    fn from(missed: Missed) -> Self {
        missed.finding
    }
}

impl Missed {
    /// The same, with an explanation of silence. If something else has come,
    /// that explains itself.
    pub(crate) fn silence(self, means: &str) -> Finding {
        if self.end == ReadEnd::Silence && self.finding.means == NOT_BROUGHT {
            return self.finding.meaning(means);
        }
        self.finding
    }
}

/// Waits until `listener` hears the message, in whatever form; returns the
/// lines up to it.
pub(crate) fn hears_at_all(
    listener: &mut Client<'_>,
    sender: &Client<'_>,
    text: &str,
    until: Deadline,
) -> Result<Vec<Vec<u8>>, Missed> {
    let mut lines = Vec::new();
    loop {
        match listener.line(until) {
            Ok(line) => {
                let kind = kind(&line, sender, text);
                lines.push(line);
                if kind != Line::Other {
                    return Ok(lines);
                }
            }
            Err(end) => {
                let means = unheard(listener, text, end);
                let finding = missed(listener, sender, text, &lines, means);
                let finding = ended(finding, end);
                return Err(Missed { end, finding });
            }
        }
    }
}

/// Why a listener perhaps did not hear the text.
fn unheard(listener: &Client<'_>, text: &str, end: ReadEnd) -> &'static str {
    let begun = String::from_utf8_lossy(listener.heard());
    match end {
        ReadEnd::Silence if begun.contains(text) => {
            "the text came, and no line feed behind it: the others cannot \
             know that the line is whole. Send a \\n after each."
        }
        ReadEnd::Silence => NOT_BROUGHT,
        _ => LET_GO,
    }
}

/// Says in what came that the connection ended, too.
fn ended(finding: Finding, end: ReadEnd) -> Finding {
    if end == ReadEnd::Silence {
        return finding;
    }
    Finding { came: format!("{}, then {end}", finding.came), ..finding }
}

/// Waits until `listener` hears the message; returns the lines before it.
pub(crate) fn hears(
    listener: &mut Client<'_>,
    sender: &Client<'_>,
    text: &str,
    until: Deadline,
) -> Result<Vec<Vec<u8>>, Missed> {
    let mut lines = hears_at_all(listener, sender, text, until)?;
    let means = match lines.last().map(|line| kind(line, sender, text)) {
        Some(Line::Nameless) => {
            "the sender's address must stand before the text: the one that \
             accept returned with that connection."
        }
        Some(Line::Longer) => {
            "something stands behind the text. The address comes before it, \
             and the line ends with the text."
        }
        _ => {
            lines.pop();
            return Ok(lines);
        }
    };
    let finding = missed(listener, sender, text, &lines, means);
    Err(Missed { end: ReadEnd::Silence, finding })
}

pub(crate) fn missed(
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

/// Two clients who both hear the room.
///
/// A server may need a moment until somebody who has connected is in the room.
/// So each says a line again and again until the other hears it.
pub(crate) fn pair<'t>(
    server: &'t Server<'_>,
) -> Result<(Client<'t>, Client<'t>), Finding> {
    let mut a = server.connect("A")?;
    let mut b = server.connect("B")?;
    introduce(&mut a, &mut b)?;
    introduce(&mut b, &mut a)?;
    Ok((a, b))
}

/// Somebody more, whom `witness` hears, and who hears `witness`.
///
/// A server whose room is full may not have seen yet that others have left: it
/// is asked again.
pub(crate) fn join<'t>(
    server: &'t Server<'_>,
    name: &str,
    witness: &mut Client<'_>,
) -> Result<Client<'t>, Finding> {
    let until = Deadline::after(REFUSED_TIME);
    loop {
        let mut client = server.connect(name)?;
        let met = introduce(witness, &mut client)
            .and_then(|()| talk(&mut client, witness));
        match met {
            Err(_) if !until.is_over() && client.has_ended() => {
                client.note(format!("the server closes it; {name} asks again"));
                thread::sleep(AGAIN_TIME);
            }
            met => return met.map(|()| client),
        }
    }
}

/// `sender` says a line, and `listener` hears it: both are in the room.
pub(crate) fn talk(
    sender: &mut Client<'_>,
    listener: &mut Client<'_>,
) -> Result<(), Finding> {
    let text = format!("{} speaks to {}", sender.name(), listener.name());
    sender.send(format!("{text}\n"))?;
    hears_at_all(listener, sender, &text, soon()).map(drop).map_err(Into::into)
}

/// `sender` says a line until `listener` hears it, and then another one, which
/// tells that no more of the first are on the way. A slow server may read
/// several of these lines at once, so they are not judged.
pub(crate) fn introduce(
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
            Err(missed) if missed.end != ReadEnd::Silence => {
                return Err(missed.finding);
            }
            Err(missed) if until.is_over() => return Err(missed.finding),
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
    hears_at_all(listener, sender, &text, soon()).map(drop).map_err(Into::into)
}

/// What it means when all lines came, and in another order.
pub(crate) const OTHER_ORDER: &str = "the lines of one client came in \
                                      another order. Perhaps each has a \
                                      thread of its own, or several \
                                      threads take them from one queue.";

/// Judges the lines that `listener` heard of `sender`, notices included: they
/// are these messages and no others.
pub(crate) fn exactly(
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

/// Waits for a line with the address of somebody.
pub(crate) fn is_told(
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
                    format!("to {name}: {}", without_the_line(end)),
                    format!("to {name}: a line with {address}: {what}"),
                    if end == ReadEnd::Silence { means } else { LET_GO },
                ));
            }
        }
    }
}
