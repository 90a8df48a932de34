//! What a program says: events on stdout, errors with a way out on stderr.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::thread;

use colored::{Color, Colorize};

/// An event shows at most this many characters of what a peer sent.
pub const SHOWN: usize = 60;

/// The word in brackets that an event begins with.
#[derive(Clone, Copy, Debug)]
pub enum Tag {
    /// This machine's name and addresses.
    Host,
    /// A socket was made.
    Socket,
    /// The socket has its address.
    Bound,
    /// The kernel accepts connections at the address that follows.
    Listening,
    /// A client came in.
    NewConnection,
    /// Bytes came from the peer.
    Received,
    /// Bytes went to the peer.
    Sent,
    /// A file is complete and has its name.
    Saved,
    /// Something was turned down.
    Refused,
    /// A peer let the time-out pass.
    TimedOut,
    /// A connection is closed.
    Closed,
    /// The server has ended; the totals follow.
    Stopped,
    /// Something failed.
    Error,
}

impl Tag {
    const fn look(self) -> (&'static str, Color) {
        match self {
            Self::Host => ("HOST", Color::Cyan),
            Self::Socket => ("SOCKET", Color::Cyan),
            Self::Bound => ("BOUND", Color::Cyan),
            Self::Listening => ("LISTENING", Color::Green),
            Self::NewConnection => ("NEW CONNECTION", Color::Green),
            Self::Received => ("RECEIVED", Color::Blue),
            Self::Sent => ("SENT", Color::Blue),
            Self::Saved => ("SAVED", Color::Green),
            Self::Refused => ("REFUSED", Color::Yellow),
            Self::TimedOut => ("TIMED OUT", Color::Yellow),
            Self::Closed => ("CLOSED", Color::Cyan),
            Self::Stopped => ("STOPPED", Color::Green),
            Self::Error => ("ERROR", Color::Red),
        }
    }
}

/// Prints one event, `[TAG] text`, as one line on stdout.
///
/// A reader who stops reading blocks the server, too: Ctrl-S in a terminal
/// does, until Ctrl-Q.
pub fn event(tag: Tag, text: impl Display) {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    print(&mut stdout.lock(), terminal, tag, &text);
}

/// Prints `[TAG] text` on stderr: every error, and what a client says itself.
/// A client's stdout is for what the server said.
pub fn remark(tag: Tag, text: impl Display) {
    let stderr = io::stderr();
    let terminal = stderr.is_terminal();
    print(&mut stderr.lock(), terminal, tag, &text);
}

/// Says that the kernel now accepts connections at `address`.
pub fn listening(address: SocketAddr) {
    event(Tag::Listening, format_args!("{address} (Ctrl-C stops the server)"));
}

/// Reports one client's trouble as one line: `[TIMED OUT]` if it kept us
/// waiting, `[ERROR]` for all else.
pub fn trouble(peer: SocketAddr, error: &io::Error) {
    let text = format!("{peer} {}", why(error));
    if error.kind() == ErrorKind::TimedOut {
        event(Tag::TimedOut, text);
    } else {
        remark(Tag::Error, text);
    }
}

/// A panic hook that reports a client's panic as one `[ERROR]` line.
///
/// The client's thread is named after its peer.
pub fn panicked(info: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("a thread");
    let payload = info.payload();
    let words = payload.downcast_ref::<&str>().map(ToString::to_string);
    let words = words.or_else(|| payload.downcast_ref().cloned());
    let words = escaped(words.unwrap_or_default().as_bytes());
    let place = info.location().map_or(String::new(), |l| format!(" at {l}"));
    remark(Tag::Error, format_args!("{name} panicked{place}: {words}"));
}

fn print(out: &mut impl Write, terminal: bool, tag: Tag, text: &dyn Display) {
    let (word, color) = tag.look();
    let tag = format!("[{word}]");
    let line = if terminal && wants_color() {
        format!("{} {text}\n", paint(&tag, color))
    } else {
        format!("{tag} {text}\n")
    };
    // One write, so that the lines of several threads do not mix. If nobody
    // reads any more, the server goes on all the same.
    let _ = out.write_all(line.as_bytes());
}

/// The convention of <https://no-color.org>.
fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn paint(word: &str, color: Color) -> String {
    // Older Windows consoles show colours only when asked to.
    #[cfg(windows)]
    let _ = colored::control::set_virtual_terminal(true);
    // colored itself looks at stdout alone; we know where the line goes.
    colored::control::set_override(true);
    word.color(color).to_string()
}

/// Bytes from the network as text that is safe to print: control characters
/// and bytes that are not UTF-8 become `\n`, `\u{1b}`, `\xff` and the like.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    pieces(bytes).collect()
}

/// Like [`escaped`], but cut with `…` after [`SHOWN`] characters.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let mut pieces = pieces(bytes);
    let mut text: String = pieces.by_ref().take(SHOWN).collect();
    if pieces.next().is_some() {
        text.push('…');
    }
    text
}

fn pieces(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|c| match c {
            '"' | '\'' => c.to_string(),
            c => c.escape_debug().to_string(),
        });
        valid.chain(chunk.invalid().iter().map(|b| format!("\\x{b:02x}")))
    })
}

/// Why something failed; the common kinds have the same words everywhere.
#[must_use]
pub fn why(error: &io::Error) -> String {
    let words = match error.kind() {
        // It carries words of its own.
        _ if error.get_ref().is_some() => return error.to_string(),
        _ if no_descriptor_left(error) => "no file descriptors are left",
        ErrorKind::AddrInUse => "the port is in use",
        ErrorKind::AddrNotAvailable => "this machine has no such address",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::ConnectionRefused => "nobody listens there",
        ErrorKind::ConnectionReset => "the connection was reset",
        ErrorKind::ConnectionAborted => "the connection was aborted",
        ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            "the connection is gone"
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no answer in time",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "there is no way to that address"
        }
        ErrorKind::UnexpectedEof => "the connection ended",
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::AlreadyExists => "the name is taken",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::FileTooLarge => "the file is too large",
        _ => return without_number(&error.to_string()),
    };
    words.to_owned()
}

/// std has no kind for this one: EMFILE and ENFILE on Unix, WSAEMFILE on
/// Windows.
fn no_descriptor_left(error: &io::Error) -> bool {
    let numbers: &[i32] = if cfg!(windows) { &[10024] } else { &[24, 23] };
    error.raw_os_error().is_some_and(|n| numbers.contains(&n))
}

/// "Broken pipe (os error 32)" without the bracket.
fn without_number(words: &str) -> String {
    let words = words.split(" (os error").next();
    words.unwrap_or_default().to_owned()
}

/// A failure that ends the program: what failed, why, and what to do.
#[derive(Debug)]
pub struct Failure {
    text: String,
    advice: String,
}

impl Failure {
    /// `what` names the action and the address or file; `why` is its cause.
    pub fn new(
        what: impl Display,
        why: impl Display,
        advice: impl Into<String>,
    ) -> Self {
        Self { text: format!("{what}: {why}"), advice: advice.into() }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The second line stands under the text, not under the tag.
        write!(f, "{}\n        {}", self.text, self.advice)
    }
}

/// Ends `main`: 0 for a finished job, 1 for a failure, which is reported.
#[must_use]
pub fn exit_code(ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            remark(Tag::Error, failure);
            ExitCode::FAILURE
        }
    }
}

/// Prints what a server said: to a file or pipe byte for byte, to a terminal
/// with control characters escaped, so that no server can control it.
#[derive(Debug, Default)]
pub struct Printer {
    /// The beginning of a character whose end has not come yet.
    begun: Vec<u8>,
}

impl Printer {
    /// Prints `bytes` at once.
    ///
    /// # Errors
    /// When nobody reads stdout any more.
    pub fn print(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let printed = if io::stdout().is_terminal() {
            write_out(self.for_terminal(bytes).as_bytes())
        } else {
            write_out(bytes)
        };
        printed.map_err(|error| {
            let advice = "The program that read our output has ended.";
            Failure::new("cannot print", why(&error), advice)
        })
    }

    fn for_terminal(&mut self, bytes: &[u8]) -> String {
        self.begun.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.begun);
        let whole = bytes.len() - unfinished(&bytes);
        self.begun = bytes[whole..].to_vec();
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        let lines: Vec<_> = lines
            .map(|line| escaped(line.strip_suffix(b"\r").unwrap_or(line)))
            .collect();
        lines.join("\n")
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        // The end of the character did not come.
        let _ = write_out(escaped(&self.begun).as_bytes());
    }
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |c| c.invalid());
    match str::from_utf8(last) {
        Err(error) if error.error_len().is_none() => last.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_letters_are_not() {
        assert_eq!(escaped(b"a\x1b[2J\r\n\0"), r"a\u{1b}[2J\r\n\0");
        assert_eq!(escaped("it's wörld".as_bytes()), "it's wörld");
        assert_eq!(escaped(b"\xff\xc3"), r"\xff\xc3");
        assert_eq!(escaped("a\u{202e}b".as_bytes()), r"a\u{202e}b");
    }

    #[test]
    fn a_long_text_is_cut_where_a_character_ends() {
        let text = "ö".repeat(SHOWN + 1);
        assert_eq!(shown(text.as_bytes()), "ö".repeat(SHOWN) + "…");
        assert_eq!(shown(b"short"), "short");
    }

    #[test]
    fn a_character_that_comes_in_two_halves_is_printed_whole() {
        let mut printer = Printer::default();
        assert_eq!(printer.for_terminal(b"w\xc3"), "w");
        assert_eq!(printer.for_terminal(b"\xb6rld\n"), "örld\n");
    }

    #[test]
    fn a_terminal_is_not_played_with() {
        let mut printer = Printer::default();
        let text = "\x1b[2J\u{202e}a\rb\r\n".as_bytes();
        let safe = "\\u{1b}[2J\\u{202e}a\\rb\n";
        assert_eq!(printer.for_terminal(text), safe);
        assert_eq!(printer.for_terminal(b"\xff!"), r"\xff!");
    }

    #[test]
    fn the_systems_error_number_is_not_shown() {
        // No system has a kind for this number.
        let error = io::Error::from_raw_os_error(12345);
        assert!(!why(&error).contains("os error"), "{}", why(&error));
    }
}
