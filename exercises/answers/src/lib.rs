//! The switch of the programs in `variants/`. Each of them is a right answer,
//! which makes one mistake, or does one thing oddly, when it is started under
//! that name: `ex03_echo_sender` is a link to `variants/ex03.rs`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::sync::LazyLock;
use std::thread::{self, Builder};
use std::time::Duration;

/// Whether the program was started as this wrong answer.
#[must_use]
pub fn mistake(name: &str) -> bool {
    started_as(name)
}

/// Whether the program was started as this odd, but right answer.
#[must_use]
pub fn oddity(name: &str) -> bool {
    started_as(name)
}

/// Whether it was started under this name: where a mistake needs a second
/// place.
#[must_use]
pub fn started_as(name: &str) -> bool {
    static OURS: LazyLock<Option<OsString>> = LazyLock::new(|| {
        let program = env::args_os().next()?;
        Path::new(&program).file_stem().map(ToOwned::to_owned)
    });
    OURS.as_deref() == Some(OsStr::new(name))
}

/// Chatters on stdout and stderr: 250 KB on each at once, and from then on
/// 40 KB a second.
pub fn chatter() {
    say(2500);
    let _ = Builder::new().spawn(|| {
        loop {
            say(200);
            thread::sleep(Duration::from_millis(500));
        }
    });
}

/// So many lines of 100 bytes.
fn say(lines: usize) {
    let line = format!("{:.<99}\n", "[DEBUG] nothing happens, as it should ");
    for _ in 0..lines {
        let _ = io::stdout().write_all(line.as_bytes());
        let _ = io::stderr().write_all(line.as_bytes());
    }
}
