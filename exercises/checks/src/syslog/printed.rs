//! What a log server has printed so far, and why a message is missing there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use harness::{Deadline, NoLine, Stream};

use crate::client::{Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::trial::{ANSWER_TIME, Server, Trial};

/// The tag of a message that was received.
const TAG: &str = "[RECEIVED]";

/// A short look: what is there already is seen.
const LOOK: Duration = Duration::from_millis(5);

/// So long a program that closes its sockets may take until it is gone.
const END_TIME: Duration = Duration::from_millis(500);

/// So many of the last lines are shown when one is missing.
const SHOWN: usize = 4;

/// A log server, and what it has printed.
pub(super) struct Logger<'t> {
    pub(super) server: Server<'t>,
    received: RefCell<Vec<Received>>,
    others: RefCell<Vec<(Stream, String)>>,
}

/// A line `[RECEIVED] PEER text`.
struct Received {
    peer: String,
    text: String,
    /// Whether it was expected, and came.
    taken: Cell<bool>,
}

impl Received {
    fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix(TAG)?.strip_prefix(' ')?;
        let (peer, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let (peer, text) = (peer.to_owned(), text.to_owned());
        Some(Self { peer, text, taken: Cell::new(false) })
    }

    fn line(&self) -> String {
        shown(&format!("{TAG} {} {}", self.peer, self.text))
    }

    /// Whether its PEER is no address, or the server's own.
    fn is_of_no_sender(&self, server: SocketAddr) -> bool {
        self.peer.parse::<SocketAddr>().map_or(true, |peer| peer == server)
    }

    fn is_from(&self, peer: SocketAddr) -> bool {
        self.peer == peer.to_string()
    }
}

/// Starts a log server on a port that the system picks.
pub(super) fn start<'t>(
    trial: &'t Trial,
    args: &[&str],
) -> Result<Logger<'t>, Finding> {
    let server = trial.start(&[&["--port", "0"], args].concat())?;
    Ok(Logger {
        server,
        received: RefCell::default(),
        others: RefCell::default(),
    })
}

pub(super) fn soon() -> Deadline {
    Deadline::after(ANSWER_TIME)
}

impl Logger<'_> {
    pub(super) fn connect(&self, name: &str) -> Result<Client<'_>, Finding> {
        self.server.connect(name)
    }

    /// Whether the program has ended by itself, or is about to.
    pub(super) fn has_ended(&self) -> bool {
        // A connection is refused a moment before the process is gone.
        let _ = self.server.process.wait(Deadline::after(END_TIME));
        self.server.process.has_ended_itself()
    }

    /// Waits for one more line.
    fn hear(&self, until: Deadline) -> Result<(), NoLine> {
        let (stream, line) = self.server.process.next_of_either(until)?;
        let message = (stream == Stream::Stdout)
            .then(|| Received::parse(&line))
            .flatten();
        match message {
            Some(message) => self.received.borrow_mut().push(message),
            None => self.others.borrow_mut().push((stream, line)),
        }
        Ok(())
    }

    /// Hears what is printed until then.
    pub(super) fn hear_until(&self, until: Deadline) {
        while self.hear(until).is_ok() {}
    }

    /// Hears what was printed by now.
    fn catch_up(&self) {
        self.hear_until(Deadline::after(LOOK));
    }

    /// Waits until the next message of this client is printed, and it is the
    /// one with these words; returns its text.
    pub(super) fn prints(
        &self,
        from: &mut Client<'_>,
        words: &[&str],
        means: &str,
    ) -> Result<String, Finding> {
        let text = self.prints_any(from, words, means)?;
        if words.iter().all(|word| text.contains(word)) {
            return Ok(text);
        }
        Err(self.another(from.address, &text, words, means))
    }

    /// Waits until the next message of this client is printed, whatever its
    /// text; these words are expected in it.
    pub(super) fn prints_any(
        &self,
        from: &mut Client<'_>,
        words: &[&str],
        means: &str,
    ) -> Result<String, Finding> {
        let until = soon();
        loop {
            if let Some(text) = self.next_of(from.address) {
                return Ok(text);
            }
            if let Err(why) = self.hear(until) {
                return Err(self.missing(from, words, why, means));
            }
        }
    }

    /// The next message of this client, if it is printed by then.
    pub(super) fn prints_until(
        &self,
        from: &Client<'_>,
        until: Deadline,
    ) -> Option<String> {
        loop {
            let text = self.next_of(from.address);
            if text.is_some() || self.hear(until).is_err() {
                return text;
            }
        }
    }

    fn next_of(&self, from: SocketAddr) -> Option<String> {
        let received = self.received.borrow();
        let next = received.iter().find(|r| !r.taken.get() && r.is_from(from));
        next.map(|next| {
            next.taken.set(true);
            next.text.clone()
        })
    }

    /// Another message stands where one was expected.
    pub(super) fn another(
        &self,
        from: SocketAddr,
        text: &str,
        words: &[&str],
        means: &str,
    ) -> Finding {
        let all = self.received.borrow();
        let same =
            all.iter().filter(|r| r.is_from(from) && r.text == *text).count();
        let means = match same {
            0 | 1 => means,
            _ => "a message was printed more than once.",
        };
        let came = format!("on stdout:\n{TAG} {from} {text}");
        Finding::new(shown(&came), expected(from, words), means)
    }

    /// No message came where one was expected.
    pub(super) fn missing(
        &self,
        from: &mut Client<'_>,
        words: &[&str],
        why: NoLine,
        means: &str,
    ) -> Finding {
        let expected = expected(from.address, words);
        let elsewhere = self.mixed().or_else(|| self.elsewhere(words));
        if let Some((came, means)) = elsewhere {
            return Finding::new(came, expected, means);
        }
        let (end, means) = match why {
            NoLine::Silence => (format!("no more in {ANSWER_TIME:?}"), means),
            NoLine::Ended => ("then the end of its output".to_owned(), means),
            NoLine::Flood => {
                let means = "the program prints much more than it has \
                             received: perhaps in an endless loop.";
                ("then more than 1 MiB of lines".to_owned(), means)
            }
        };
        let closed = if is_open(from) {
            String::new()
        } else {
            format!("; the server closed {}", from.name())
        };
        let came = format!("{}\n({end}{closed})", self.last_lines());
        Finding::new(came, expected, means)
    }

    fn last_lines(&self) -> String {
        let others = self.others.borrow();
        let lines = others.iter().filter(|(from, _)| *from == Stream::Stdout);
        let mut lines: Vec<_> = lines.map(|(_, line)| shown(line)).collect();
        lines.extend(self.received.borrow().iter().map(Received::line));
        let last = &lines[lines.len().saturating_sub(SHOWN)..];
        match last {
            [] => "no line on stdout".to_owned(),
            _ => format!("on stdout, among others:\n{}", last.join("\n")),
        }
    }

    /// A line with more than one message.
    fn mixed(&self) -> Option<(String, &'static str)> {
        let mut lines: Vec<_> =
            self.received.borrow().iter().map(Received::line).collect();
        let others = self.others.borrow();
        lines.extend(others.iter().map(|(_, line)| shown(line)));
        let line = lines.iter().find(|l| l.matches(TAG).count() > 1)?;
        let means = "there are several messages in one line. Perhaps \
                     several threads write into one line: print it with one \
                     println!, or keep stdout locked.";
        Some((format!("in one line:\n{line}"), means))
    }

    /// Where else words of a message were printed, and what that means.
    fn elsewhere(&self, words: &[&str]) -> Option<(String, &'static str)> {
        let has = |text: &str| words.iter().all(|word| text.contains(word));
        let received = self.received.borrow();
        let server = self.server.address;
        let stranger =
            |r: &&Received| has(&r.line()) && r.is_of_no_sender(server);
        if let Some(other) = received.iter().find(stranger) {
            let means = "the message came, and the word behind [RECEIVED] is \
                         not its sender's address and port. accept returns \
                         the sender's; local_addr is the server's own.";
            return Some((format!("on stdout:\n{}", other.line()), means));
        }
        self.begun(&has).or_else(|| self.without_form(&has))
    }

    /// A line that has not ended yet.
    fn begun(
        &self,
        has: &impl Fn(&str) -> bool,
    ) -> Option<(String, &'static str)> {
        let begun = self.server.process.begun(Stream::Stdout);
        let means = "the line has no end: perhaps print! instead of println!.";
        has(&String::from_utf8_lossy(&begun))
            .then(|| (format!("{}, no line end", quoted(&begun)), means))
    }

    /// A line that has not the form of a message, or is on stderr.
    fn without_form(
        &self,
        has: &impl Fn(&str) -> bool,
    ) -> Option<(String, &'static str)> {
        let others = self.others.borrow();
        let (stream, line) = others.iter().find(|(stream, line)| {
            has(line) && (*stream == Stream::Stdout || line.starts_with(TAG))
        })?;
        let (stream, means) = match stream {
            Stream::Stdout => (
                "stdout",
                "the text is there, but not in a line [RECEIVED] PEER text: \
                 the tag first, a space, the sender's address, a space, the \
                 message.",
            ),
            Stream::Stderr => (
                "stderr",
                "messages belong on stdout: println!, not eprintln!.",
            ),
        };
        Some((format!("on {stream}:\n{}", shown(line)), means))
    }

    /// Nothing is printed as a message of this client beyond what was expected.
    pub(super) fn nothing_of(
        &self,
        from: SocketAddr,
        means: &str,
    ) -> Result<(), Finding> {
        self.catch_up();
        let Some(text) = self.next_of(from) else { return Ok(()) };
        let none = format!("no further message of {from}");
        Err(self.another(from, &text, &[], means).expecting(none))
    }

    /// Whether a line that is no message contains this.
    pub(super) fn has_other(&self, word: &str) -> bool {
        self.catch_up();
        self.others.borrow().iter().any(|(_, line)| line.contains(word))
    }

    /// The lines beside the messages so far.
    pub(super) fn usual(&self) -> Usual {
        self.catch_up();
        let others = self.others.borrow();
        let kinds = others.iter().map(|(_, line)| kind(line)).collect();
        Usual { kinds, count: others.len() }
    }

    /// Waits for a report: a line that differs in more than its digits from
    /// the usual ones.
    pub(super) fn reports(
        &self,
        usual: &Usual,
        what: &str,
    ) -> Result<(), Finding> {
        let until = soon();
        while !usual.is_news(&self.others.borrow()) {
            if self.hear(until).is_err() {
                return Err(self.not_reported(usual, what));
            }
        }
        Ok(())
    }

    fn not_reported(&self, usual: &Usual, what: &str) -> Finding {
        let others = self.others.borrow();
        let last = others[usual.count..].iter().rev().take(SHOWN).rev();
        let last: Vec<_> = last.map(|(_, line)| shown(line)).collect();
        let came = if last.is_empty() {
            "no line about it on stdout or stderr".to_owned()
        } else {
            let last = last.join("\n");
            format!(
                "only lines that differ from earlier ones, when nothing had \
                 gone wrong, in nothing but their digits, as:\n{last}"
            )
        };
        Finding::new(
            format!("{came}\n(and no more in {ANSWER_TIME:?})"),
            format!("a line on stdout or stderr that reports {what}"),
            "perhaps the error was passed over in silence, by let _ =, ok() \
             or an empty arm; or an end inside a frame was taken for one \
             between two. Whoever reads the log must learn of it.",
        )
    }
}

/// The kinds of lines that a program has printed when nothing had gone wrong,
/// and how many lines that were.
pub(super) struct Usual {
    kinds: BTreeSet<String>,
    count: usize,
}

impl Usual {
    /// Whether one of the later lines is unlike the usual ones.
    fn is_news(&self, lines: &[(Stream, String)]) -> bool {
        let later = lines[self.count..].iter();
        later.map(|(_, line)| kind(line)).any(|it| !self.kinds.contains(&it))
    }
}

/// A line without its numbers: addresses, ports, counts, the time.
fn kind(line: &str) -> String {
    line.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// A line as it can be shown: not too long, and harmless.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let harmless = |c: char| match c {
        c if c.is_control() && c != '\n' => '\u{fffd}',
        c => c,
    };
    let mut short: String = text.chars().take(MOST).map(harmless).collect();
    if text.chars().count() > MOST {
        short.push('…');
    }
    short
}

fn expected(from: SocketAddr, words: &[&str]) -> String {
    format!("{TAG} {from} … {}", words.join(" … "))
}

/// Whether the server has neither ended nor broken off this connection.
pub(super) fn is_open(client: &mut Client<'_>) -> bool {
    let (_, end) = client.hear_out(Deadline::after(LOOK));
    end == ReadEnd::Silence
}
