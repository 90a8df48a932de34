//! The keys of `watch`. In a terminal on Unix they need no Enter; elsewhere a
//! letter and Enter do the same.

use std::io::{self, Read};
use std::sync::mpsc::Sender;
use std::thread::Builder;

use crate::inbox::Event;

/// What the keys are, for the screen.
#[cfg(unix)]
pub const LEGEND: &str = "[h] hint   [a] again   [q] quit";
#[cfg(not(unix))]
pub const LEGEND: &str = "[h] hint   [a] again   [q] quit (then Enter)";

/// The terminal as it was. Dropping it brings that back.
#[derive(Debug)]
pub struct Keys {
    #[cfg(unix)]
    before: Option<nix::sys::termios::Termios>,
}

impl Keys {
    /// Listens to the keyboard, or to what stands in for it.
    pub fn listen(sender: Sender<Event>) -> Self {
        let keys = Self::prepare();
        // Without a thread there are no keys, and Ctrl-C still works.
        let _ = Builder::new().spawn(move || read(&sender));
        keys
    }

    #[cfg(unix)]
    fn prepare() -> Self {
        // It fails where stdin is no terminal.
        let before = nix::sys::termios::tcgetattr(io::stdin()).ok();
        Self::need_no_enter();
        Self { before }
    }

    /// Also when Ctrl-Z and `fg` have brought back the shell's own mode.
    #[cfg(unix)]
    pub fn need_no_enter() {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let Ok(mut mode) = tcgetattr(io::stdin()) else { return };
        if mode.local_flags.contains(LocalFlags::ICANON) {
            mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &mode);
        }
    }

    #[cfg(not(unix))]
    fn prepare() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    pub fn need_no_enter() {}
}

#[cfg(unix)]
impl Drop for Keys {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

/// Reads to the end of stdin. The end is not a wish to quit: a watch may run
/// without a keyboard.
fn read(sender: &Sender<Event>) {
    let mut bytes = [0; 64];
    while let Ok(count @ 1..) = io::stdin().read(&mut bytes) {
        for event in bytes[..count].iter().copied().filter_map(event) {
            if sender.send(event).is_err() {
                return;
            }
        }
    }
}

fn event(key: u8) -> Option<Event> {
    match key.to_ascii_lowercase() {
        b'a' => Some(Event::Again),
        b'h' => Some(Event::Hint),
        b'q' => Some(Event::Quit),
        _ => None,
    }
}
