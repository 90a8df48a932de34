//! What to do when `accept` fails: say so once, rest, try again.

// ANCHOR: uses
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crate::report::{self, Tag};
use crate::shutdown::Shutdown;
// ANCHOR_END: uses

// ANCHOR: pauses
/// How long a server rests after a failed `accept` before it tries again.
pub const PAUSE: Duration = Duration::from_millis(100);

/// Of failures that are closer together than this, only the first is reported.
pub const GAP: Duration = Duration::from_secs(1);
// ANCHOR_END: pauses

// ANCHOR: retry
/// Reports a run of failures once, and rests after each.
///
/// When no file descriptor is left, `accept` fails at once, again and again:
/// without a rest the server would spin, and flood its own output.
#[derive(Debug, Default)]
pub struct AcceptRetry {
    last: Option<Instant>,
}
// ANCHOR_END: retry

// ANCHOR: rest
impl AcceptRetry {
    /// Reports `error`, unless another came within [`GAP`], and rests for
    /// [`PAUSE`] or until Ctrl-C. If just one client broke off, it returns at
    /// once and reports nothing.
    pub fn rest(&mut self, error: &io::Error, stop: &Shutdown) {
        if is_one_clients(error) {
            return;
        }
        let same = self.last.is_some_and(|last| last.elapsed() < GAP);
        if !same {
            let why = report::why(error);
            let text = format!("cannot accept a connection: {why}; retrying");
            report::remark(Tag::Error, text);
        }
        self.last = Some(Instant::now());
        stop.pause(PAUSE);
    }
}
// ANCHOR_END: rest

// ANCHOR: one_clients
/// One client broke off while waiting in the queue (ECONNABORTED in accept(2),
/// WSAECONNRESET on Windows), or the call was interrupted: the next client
/// need not wait for that.
fn is_one_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
    )
}
// ANCHOR_END: one_clients

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_who_broke_off_holds_up_nobody() {
        assert!(is_one_clients(&ErrorKind::ConnectionAborted.into()));
        assert!(is_one_clients(&ErrorKind::ConnectionReset.into()));
        assert!(!is_one_clients(&ErrorKind::OutOfMemory.into()));
    }
}
