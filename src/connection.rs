//! One connection of a server: its time-outs, its deadline, and its end.

// ANCHOR: uses
use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::linger::lingering_close;
use crate::server::{Server, lock};
use crate::{ctrl_c, errors, events};

/// How many connections may linger, or be turned away, at once, beside those
/// in the table.
pub const LINGERING: usize = 50;

/// On Windows: how long one wait lasts before we look for Ctrl-C again.
const POLL_TIME: Duration = Duration::from_millis(200);
// ANCHOR_END: uses

// ANCHOR: connection
/// A connection to a client. Each read and each write may take `--timeout`,
/// unless there is a deadline for all of them.
pub struct Connection<'s> {
    /// The client's address.
    pub peer: SocketAddr,
    pub(crate) stream: Arc<TcpStream>,
    pub(crate) admitted: bool,
    pub(crate) deadline: Option<Instant>,
    /// Nothing has come since the deadline was set.
    pub(crate) silent: bool,
    pub(crate) server: &'s Server,
}

impl Connection<'_> {
    /// Prints an event about this connection.
    pub fn event(&self, tag: &str, text: impl Display) {
        events::event(tag, format_args!("{} {text}", self.peer));
    }
    // ANCHOR_END: connection

    // ANCHOR: deadline
    /// From now on all reads and writes together may take `--timeout`, and as
    /// long again once the first byte has come.
    ///
    /// A time-out limits one read: a peer that sends a byte now and then
    /// keeps a loop of reads busy for ever.
    pub fn set_deadline(&mut self) {
        self.deadline = Some(Instant::now() + self.server.timeout);
        self.silent = true;
    }

    // ANCHOR_END: deadline

    // ANCHOR: serve
    /// Calls `talk`, and closes the connection; one client too many hears
    /// `full` instead. An error or a panic in `talk` is reported, and ends
    /// this connection alone.
    pub fn serve<T>(mut self, full: &[u8], talk: T)
    where
        T: FnOnce(&mut Self) -> io::Result<()>,
    {
        let admitted = self.admitted;
        let work = AssertUnwindSafe(|| {
            if admitted { talk(&mut self) } else { self.write_all(full) }
        });
        // A panic is reported by the hook; at Ctrl-C nothing is an error.
        if let Ok(Err(error)) = catch_unwind(work)
            && !ctrl_c::stopping()
        {
            errors::log_error(self.peer, &error);
        }
        // A crowd may not linger. A client that was admitted may, but then its
        // place in the table stays taken.
        let most = self.server.max_clients + LINGERING;
        let crowded = lock(&self.server.table).alive > most;
        if !crowded {
            // A client that sees the end may come again at once.
            self.leave();
        }
        if !crowded || admitted {
            // A client that is gone already has nothing to lose.
            let _ = lingering_close(&self.stream);
        }
    }

    fn leave(&self) {
        let mut table = lock(&self.server.table);
        table.open.retain(|other| !Arc::ptr_eq(other, &self.stream));
    }
}

/// However it ends: after a panic, or when there was no thread for it.
impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.leave();
        lock(&self.server.table).alive -= 1;
        events::event("CLOSED", self.peer);
    }
}
// ANCHOR_END: serve

// ANCHOR: read
impl Read for Connection<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if cfg!(windows) {
            self.wait_or_stop()?;
        }
        loop {
            if let Some(end) = self.deadline {
                // macOS refuses it when both sides have ended; then nothing
                // waits.
                let _ = self.stream.set_read_timeout(Some(time_left(end)?));
            }
            match (&*self.stream).read(buffer) {
                Ok(count) => {
                    if self.silent {
                        self.set_deadline();
                        self.silent = false;
                    }
                    return Ok(count);
                }
                // Ctrl-Z and `fg` interrupt a read with a time-out: signal(7).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
// ANCHOR_END: read

// ANCHOR: write
impl Write for Connection<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(end) = self.deadline {
            let _ = self.stream.set_write_timeout(Some(time_left(end)?));
        }
        (&*self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The time until `end`, or an error when it has passed.
pub(crate) fn time_left(end: Instant) -> io::Result<Duration> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}
// ANCHOR_END: write

// ANCHOR: windows
impl Connection<'_> {
    /// On Windows `shutdown` does not wake a read that waits already
    /// (rust-lang/rust#121594). So this waits in turns, and looks for Ctrl-C.
    /// A peek takes nothing; a read that times out may lose bytes there
    /// (`SO_RCVTIMEO` in Microsoft's manual).
    fn wait_or_stop(&self) -> io::Result<()> {
        let end = self.deadline.unwrap_or(Instant::now() + self.server.timeout);
        loop {
            let turn = time_left(end)?.min(POLL_TIME);
            self.stream.set_read_timeout(Some(turn))?;
            match self.stream.peek(&mut [0]) {
                Err(e) if errors::is_timeout(&e) && !ctrl_c::stopping() => {}
                ended => return ended.map(drop),
            }
        }
    }
}
// ANCHOR_END: windows

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(500);

    fn server() -> Server {
        Server { max_clients: 1, timeout: TIMEOUT, table: Arc::default() }
    }

    /// A connection, and the client at its other end.
    fn connection(server: &Server) -> (Connection<'_>, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let there = listener.local_addr().unwrap();
        let client = TcpStream::connect(there).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        (server.enter(stream, peer), client)
    }

    #[test]
    fn a_connection_that_is_dropped_makes_room() {
        let server = server();
        drop(connection(&server));

        let (next, _client) = connection(&server);

        assert!(next.admitted);
        assert!(!connection(&server).0.admitted);
    }

    #[test]
    fn small_answers_leave_at_once() {
        let server = server();

        assert!(connection(&server).0.stream.nodelay().unwrap());
    }

    #[test]
    fn without_a_deadline_each_read_has_its_time() {
        let server = server();
        let (mut here, mut client) = connection(&server);
        let begin = Instant::now();

        while begin.elapsed() < 2 * TIMEOUT {
            client.write_all(b"x").unwrap();
            assert_eq!(here.read(&mut [0]).unwrap(), 1);
        }

        let error = here.read(&mut [0]).unwrap_err();
        assert!(errors::is_timeout(&error), "{error}");
    }

    /// Each of the reads gets its byte in time; together they do not.
    #[test]
    fn with_a_deadline_all_reads_end_by_one_moment() {
        let server = server();
        let (mut here, mut client) = connection(&server);
        here.set_deadline();
        let begin = Instant::now();

        let error = loop {
            client.write_all(b"x").unwrap();
            match here.read(&mut [0]) {
                Ok(count) => assert_eq!(count, 1),
                Err(error) => break error,
            }
            assert!(begin.elapsed() < 10 * TIMEOUT);
        };

        assert!(errors::is_timeout(&error), "{error}");
        assert!(begin.elapsed() >= TIMEOUT);
    }

    #[test]
    fn a_write_that_is_not_taken_ends_in_time() {
        let server = server();
        let (mut here, _client) = connection(&server);
        here.set_deadline();
        let begin = Instant::now();

        let error = here.write_all(&vec![0; 100_000_000]).unwrap_err();

        assert!(errors::is_timeout(&error), "{error}");
        assert!(begin.elapsed() >= TIMEOUT);
    }

    #[test]
    fn waiting_in_turns_ends_with_a_byte_or_in_time() {
        let server = server();
        let (mut here, mut client) = connection(&server);

        client.write_all(b"x").unwrap();
        here.wait_or_stop().unwrap();
        assert_eq!(here.read(&mut [0; 2]).unwrap(), 1);
        let begin = Instant::now();
        let error = here.wait_or_stop().unwrap_err();

        assert!(errors::is_timeout(&error), "{error}");
        assert!(begin.elapsed() >= TIMEOUT);
    }
}
