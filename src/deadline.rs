//! A connection on which nothing waits for ever.
//!
//! `TcpStream::set_read_timeout` limits one `read`: a peer that sends a byte
//! now and then keeps a loop of reads busy for ever. [`Timed`] gives all reads
//! and writes one common deadline.

// ANCHOR: imports
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::shutdown::Shutdown;

/// How long one wait lasts before we look for a Ctrl-C again.
const POLL_TIME: Duration = Duration::from_millis(200);
// ANCHOR_END: imports

// ANCHOR: timed
/// A connection whose reads and writes share one deadline.
#[derive(Debug)]
pub struct Timed<'a> {
    connection: &'a TcpStream,
    time: Duration,
    until: Instant,
    stop: Option<&'a Shutdown>,
}
// ANCHOR_END: timed

// ANCHOR: new
impl<'a> Timed<'a> {
    /// All reads and writes together may take `time` from now; at most
    /// [`crate::cli::LONGEST_TIMEOUT`].
    #[must_use]
    pub fn new(connection: &'a TcpStream, time: Duration) -> Self {
        let until = Instant::now() + time;
        Self { connection, time, until, stop: None }
    }

    /// Waits end at Ctrl-C as well. On Windows a write does not: it ends only
    /// when its time is over.
    #[must_use]
    pub fn or_stop(self, stop: &'a Shutdown) -> Self {
        Self { stop: Some(stop), ..self }
    }
    // ANCHOR_END: new

    // ANCHOR: wait
    /// Waits until there is something to read: bytes, or the end.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] when the time is over,
    /// [`ErrorKind::ConnectionAborted`] at Ctrl-C, and those of recv(2).
    pub fn wait(&self) -> io::Result<()> {
        loop {
            self.check_stop()?;
            let turn = self.left()?.min(POLL_TIME);
            self.connection.set_read_timeout(Some(turn))?;
            // A peek takes nothing. A read that times out may lose bytes on
            // Windows (SO_RCVTIMEO in Microsoft's manual), so a read only
            // follows when it need not wait.
            match self.connection.peek(&mut [0]) {
                Err(error) if try_again(&error) => {}
                ended => return ended.map(|_| ()),
            }
        }
    }
    // ANCHOR_END: wait

    // ANCHOR: checks
    fn check_stop(&self) -> io::Result<()> {
        if self.stop.is_some_and(Shutdown::requested) {
            let text = "the server is stopping";
            return Err(io::Error::new(ErrorKind::ConnectionAborted, text));
        }
        Ok(())
    }

    /// What is left of the time; an error when nothing is.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let text = format!("kept us waiting for {:?}", self.time);
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        Ok(left)
    }
}
// ANCHOR_END: checks

// ANCHOR: read
impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        self.connection.read(buffer)
    }
}
// ANCHOR_END: read

// ANCHOR: write
impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let left = self.left()?;
            // On Windows a write that times out may have sent a part
            // (SO_SNDTIMEO in Microsoft's manual). It cannot be tried again,
            // so it gets all the time.
            let turn = if cfg!(windows) { left } else { left.min(POLL_TIME) };
            self.connection.set_write_timeout(Some(turn))?;
            match self.connection.write(bytes) {
                Err(error) if try_again(&error) => self.check_stop()?,
                // It had to wait. An answer that need not leaves even at
                // Ctrl-C.
                Ok(count) if count < bytes.len() => {
                    return self.check_stop().map(|()| count);
                }
                ended => return ended,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}
// ANCHOR_END: write

// ANCHOR: try_again
/// Whether the wait only used up its turn, or was interrupted by a stop
/// (Ctrl-Z) and continue: see signal(7).
///
/// A socket's own time-out has one kind on Unix and another on Windows. On
/// Unix `TimedOut` is something else: the peer's machine does not answer.
fn try_again(error: &io::Error) -> bool {
    let timeout =
        if cfg!(windows) { ErrorKind::TimedOut } else { ErrorKind::WouldBlock };
    [timeout, ErrorKind::Interrupted].contains(&error.kind())
}
// ANCHOR_END: try_again

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (here, listener.accept().unwrap().0)
    }

    #[test]
    fn all_reads_end_by_one_moment() {
        let (here, mut there) = pair();
        let time = Duration::from_millis(500);
        let mut timed = Timed::new(&here, time);
        let begin = Instant::now();

        // Each of the reads gets its byte in time; together they do not.
        let error = loop {
            there.write_all(b"x").unwrap();
            match timed.read(&mut [0]) {
                Ok(count) => assert_eq!(count, 1),
                Err(error) => break error,
            }
            assert!(begin.elapsed() < 10 * time);
        };

        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(begin.elapsed() >= time);
    }

    #[test]
    fn a_write_that_is_not_taken_ends_in_time() {
        let (here, _there) = pair();
        let time = Duration::from_millis(500);
        let begin = Instant::now();

        let mut timed = Timed::new(&here, time);
        let error = timed.write_all(&vec![0; 100_000_000]).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(begin.elapsed() >= time);
    }

    #[test]
    fn a_wait_ends_when_the_server_stops() {
        let (here, _there) = pair();
        let stop = Shutdown::new();
        stop.request();

        let day = Duration::from_secs(24 * 60 * 60);
        let timed = Timed::new(&here, day).or_stop(&stop);

        let error = timed.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    }

    #[test]
    fn the_end_of_the_stream_is_no_error() {
        let (here, there) = pair();
        drop(there);

        let mut timed = Timed::new(&here, Duration::from_secs(5));

        assert_eq!(timed.read(&mut [0]).unwrap(), 0);
    }
}
