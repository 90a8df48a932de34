//! What to do when `accept` fails: say so once, wait a little, try again.

use std::io::{self, ErrorKind};
use std::thread;
use std::time::{Duration, Instant};

use crate::errors::why;
use crate::events::remark;

/// How long a server waits after a failed `accept` before it tries again.
pub const PAUSE: Duration = Duration::from_millis(100);

/// Of failures that are closer together than this, only the first is reported.
pub const GAP: Duration = Duration::from_secs(1);

/// The wait after a failed `accept`.
///
/// When no file descriptor is left, `accept` fails at once, again and again:
/// without a pause the server would spin, and flood its own output.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<Instant>,
}

impl Backoff {
    /// Reports `error`, unless another came within [`GAP`], and waits for
    /// [`PAUSE`].
    pub fn pause(&mut self, error: &io::Error) {
        use ErrorKind::{ConnectionAborted, ConnectionReset};
        // One client broke off while it waited in the backlog: accept(2).
        // The next one does not have to wait for that.
        if let ConnectionAborted | ConnectionReset = error.kind() {
            return;
        }
        if self.last.is_none_or(|last| last.elapsed() >= GAP) {
            remark("ERROR", format!("cannot accept: {}; retrying", why(error)));
        }
        self.last = Some(Instant::now());
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_broke_off_holds_up_nobody() {
        let mut backoff = Backoff::default();
        let begin = Instant::now();

        for kind in [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset] {
            backoff.pause(&kind.into());
        }

        assert!(begin.elapsed() < PAUSE);
        assert!(backoff.last.is_none());
    }

    #[test]
    fn any_other_failure_is_worth_a_pause() {
        let mut backoff = Backoff::default();
        let begin = Instant::now();

        backoff.pause(&ErrorKind::OutOfMemory.into());

        assert!(begin.elapsed() >= PAUSE);
    }
}
