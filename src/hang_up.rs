//! The orderly close, so that the peer hears our last word.
//!
//! Closing a connection with unread input resets it, and the peer may lose
//! what it has not read yet (RFC 9293, section 3.6.1). So the close takes
//! two steps: we end our side, then we read what the peer still sends.

// ANCHOR: imports
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::deadline::Timed;
// ANCHOR_END: imports

// ANCHOR: limits
/// How long we listen to a peer that does not end its side.
pub const DRAIN_TIME: Duration = Duration::from_secs(1);

/// How much more a peer may say, in bytes.
pub const DRAIN_BYTES: u64 = 64 * 1024;
// ANCHOR_END: limits

// ANCHOR: hang_up
/// Ends our side of `connection`, then reads and drops what the peer still
/// sends, for at most [`DRAIN_TIME`] and [`DRAIN_BYTES`]. The connection is
/// closed when the caller drops it.
///
/// # Errors
/// When the connection is gone already: see shutdown(2) and recv(2). That the
/// peer does not end in time is no error.
pub fn hang_up(connection: &TcpStream) -> io::Result<()> {
    connection.shutdown(Shutdown::Write)?;
    let mut unread = Timed::new(connection, DRAIN_TIME).take(DRAIN_BYTES);
    match io::copy(&mut unread, &mut io::sink()) {
        // Whoever does not end in time had that time to hear us.
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
        ended => ended.map(drop),
    }
}
// ANCHOR_END: hang_up
