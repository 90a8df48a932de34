//! What is printed. A reader who has gone, such as `head`, harms nobody.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Goes to the upper left corner of an empty screen.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// A terminal without commands gets no colours.
pub fn prepare() {
    if is_dumb() {
        colored::control::set_override(false);
    }
}

/// Prints a line on stdout.
pub fn say(text: impl Display) {
    put(format_args!("{text}\n"));
}

/// Prints what need not end with its line, at once.
pub fn put(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Begins a new screen, or only a new paragraph where there is none.
pub fn clear() {
    let clears = io::stdout().is_terminal() && !is_dumb();
    put(if clears { CLEAR } else { "\n" });
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}
