//! The lingering close, so that the peer hears our last word.
//!
//! Closing a connection with unread input resets it, and the peer may lose
//! what it has not read yet (RFC 9293, section 3.6.1). So the close takes
//! two steps: we end our side, then we read what the peer still sends.

// ANCHOR: imports
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::connection::time_left;
use crate::errors::is_timeout;
// ANCHOR_END: imports

// ANCHOR: limits
/// How long we listen to a peer that does not end its side.
pub const LINGER_TIME: Duration = Duration::from_secs(1);

/// How much more a peer may say, in bytes.
pub const LINGER_BYTES: usize = 64 * 1024;
// ANCHOR_END: limits

// ANCHOR: linger
/// Ends our side of `stream`, then reads and drops what the peer still sends,
/// for at most [`LINGER_TIME`] and [`LINGER_BYTES`]. The connection is closed
/// when the caller drops it.
///
/// # Errors
/// When the connection is gone already: see shutdown(2) and recv(2). That the
/// peer does not end in time is no error.
pub fn lingering_close(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let end = Instant::now() + LINGER_TIME;
    let mut chunk = [0; 4096];
    let mut dropped = 0;
    while dropped < LINGER_BYTES {
        // All reads together have one second, not each of them.
        let Ok(left) = time_left(end) else { break };
        // macOS refuses it when both sides have ended; then no read waits.
        let _ = stream.set_read_timeout(Some(left));
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => dropped += count,
            Err(error) if is_timeout(&error) => break,
            // Ctrl-Z and `fg` interrupt a read with a time-out: signal(7).
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
// ANCHOR_END: linger
