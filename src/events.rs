//! What happens, as lines `[TAG] text`: events on stdout, remarks on stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::LazyLock;

use colored::{Color, Colorize};

/// Asked once: each time would be one more call into the kernel.
static ON_TERMINAL: LazyLock<bool> =
    LazyLock::new(|| io::stdout().is_terminal());

/// Prints one event, `[TAG] text`, as one line on stdout.
///
/// A reader who stops reading blocks the server, too: Ctrl-S in a terminal
/// does, until Ctrl-Q.
pub fn event(tag: &str, text: impl Display) {
    // One write, so that the lines of several threads do not mix. If nobody
    // reads any more, the server goes on all the same.
    let line = line(tag, text, *ON_TERMINAL);
    let _ = io::stdout().write_all(line.as_bytes());
}

/// Prints `[TAG] text` on stderr: every error, and what a client says itself.
/// A client's stdout is for what the server said.
pub fn remark(tag: &str, text: impl Display) {
    let line = line(tag, text, io::stderr().is_terminal());
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Says that the kernel now accepts connections at `address`.
pub fn listening(address: SocketAddr) {
    event("LISTENING", format_args!("{address} (Ctrl-C stops the server)"));
}

/// A line; with colour on a terminal, unless `NO_COLOR` is set, which the
/// crate looks at: <https://no-color.org>.
fn line(tag: &str, text: impl Display, on_terminal: bool) -> String {
    if !on_terminal {
        return format!("[{tag}] {text}\n");
    }
    // Older Windows consoles show colours only when asked to.
    #[cfg(windows)]
    let _ = colored::control::set_virtual_terminal(true);
    let color = match tag {
        "ERROR" => Color::Red,
        "REFUSED" | "TIMED OUT" => Color::Yellow,
        "RECEIVED" | "SENT" => Color::Blue,
        "HOST" | "SOCKET" | "BOUND" | "CLOSED" => Color::Cyan,
        _ => Color::Green,
    };
    format!("{} {text}\n", format!("[{tag}]").color(color))
}
