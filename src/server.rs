//! Many connections at once: the table of those that are open, a limit, and
//! an end for all at Ctrl-C.

// ANCHOR: uses
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;
use std::{io, panic};

use crate::backoff::Backoff;
use crate::connection::Connection;
use crate::ctrl_c;
use crate::errors::{self, Error};
use crate::events::event;
use crate::flags::Limits;
// ANCHOR_END: uses

// ANCHOR: table
/// What the threads of a server share.
pub struct Server {
    pub(crate) max_clients: usize,
    pub(crate) timeout: Duration,
    pub(crate) table: Arc<Mutex<Table>>,
}

/// The connections of a server, and the totals.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Those that are served.
    pub(crate) open: Vec<Arc<TcpStream>>,
    /// All of them, with those that are turned away or linger.
    pub(crate) alive: usize,
    served: u64,
    refused: u64,
}

/// The table, for as long as the guard lives. While it lives nobody prints:
/// that may wait. After a panic elsewhere the table is as good as before.
pub(crate) fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
// ANCHOR_END: table

// ANCHOR: new
impl Server {
    /// A server that stops at Ctrl-C. From now on a panic is reported as one
    /// `[ERROR]` line.
    ///
    /// # Errors
    /// When Ctrl-C cannot be caught.
    pub fn new(listener: &TcpListener, limits: &Limits) -> Result<Self, Error> {
        let table = Arc::new(Mutex::new(Table::default()));
        let shared = Arc::clone(&table);
        ctrl_c::catch(Some(listener), move |how| lock(&shared).shut_down(how))?;
        panic::set_hook(Box::new(errors::log_panic));
        let timeout = Duration::from_secs(limits.timeout);
        Ok(Self { max_clients: limits.max_clients as usize, timeout, table })
    }
    // ANCHOR_END: new

    // ANCHOR: totals
    /// The totals, for the last line.
    pub fn totals(&self) -> String {
        let Table { served, refused, .. } = *lock(&self.table);
        format!("clients served: {served}, refused: {refused}")
    }
    // ANCHOR_END: totals

    // ANCHOR: time_outs
    /// Takes a new connection in if there is room, or marks it as refused, and
    /// sets its time-outs.
    pub fn enter(&self, stream: TcpStream, peer: SocketAddr) -> Connection<'_> {
        // If these fail, the connection is gone: the next read will say so.
        // They are set once, for every read and every write.
        let _ = stream.set_read_timeout(Some(self.timeout));
        let _ = stream.set_write_timeout(Some(self.timeout));
        // Small answers leave at once: TCP_NODELAY in tcp(7).
        let _ = stream.set_nodelay(true);
        // ANCHOR_END: time_outs
        // ANCHOR: enter
        let stream = Arc::new(stream);
        let mut table = lock(&self.table);
        table.alive += 1;
        let admitted = table.open.len() < self.max_clients;
        if admitted {
            table.served += 1;
            table.open.push(Arc::clone(&stream));
        } else {
            table.refused += 1;
        }
        let count = table.open.len();
        if ctrl_c::stopping() {
            // It came after `accept`: its `shut_down` has missed this one.
            table.shut_down(Shutdown::Write);
        }
        drop(table);
        let tag = if admitted { "NEW CONNECTION" } else { "REFUSED" };
        event(tag, format_args!("{peer} ({count} of {})", self.max_clients));
        let (deadline, silent, server) = (None, false, self);
        Connection { peer, stream, admitted, deadline, silent, server }
    }
    // ANCHOR_END: enter

    // ANCHOR: run
    /// Runs lesson 03's loop: a thread for each client, where `talk` serves
    /// it; one too many hears `full`. Returns after Ctrl-C, when the last
    /// thread has ended.
    pub fn run<T>(&self, listener: TcpListener, full: &[u8], talk: T)
    where
        T: Fn(&mut Connection<'_>) -> io::Result<()> + Sync,
    {
        let (talk, mut backoff) = (&talk, Backoff::default());
        thread::scope(|scope| {
            loop {
                match listener.accept() {
                    _ if ctrl_c::stopping() => break,
                    Ok((stream, peer)) => {
                        let client = self.enter(stream, peer);
                        let builder = Builder::new().name(peer.to_string());
                        let serve = move || client.serve(full, talk);
                        if builder.spawn_scoped(scope, serve).is_err() {
                            errors::no_thread(peer);
                        }
                    }
                    Err(error) => backoff.pause(&error),
                }
            }
            drop(listener);
        });
    }
}
// ANCHOR_END: run

// ANCHOR: shut_down
impl Table {
    /// Shuts a half of all open connections down, or both. That wakes the
    /// threads that wait there: see `TcpStream::shutdown`. On Windows it does
    /// not; there a read looks for Ctrl-C, and a blocked write ends with its
    /// time-out.
    fn shut_down(&self, how: Shutdown) {
        for stream in &self.open {
            // Some are gone already.
            let _ = stream.shutdown(how);
        }
    }
}
// ANCHOR_END: shut_down

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Ipv4Addr;
    use std::sync::atomic::Ordering;

    use super::*;

    const LIMITS: Limits = Limits { max_clients: 1, timeout: 5 };

    /// What a client hears who says `text` to `address`.
    fn hear(address: SocketAddr, text: &[u8]) -> Vec<u8> {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.write_all(text).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        heard
    }

    #[test]
    #[ignore = "runs as a child of the test below, which reads its stderr"]
    fn a_panic_ends_one_connection_and_makes_room() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(&listener, &LIMITS).unwrap();
        let talk = |client: &mut Connection<'_>| {
            let mut text = [0; 5];
            client.read_exact(&mut text)?;
            assert_ne!(&text, b"panic", "a mistake\nin a lesson");
            client.write_all(&text)
        };

        thread::scope(|scope| {
            let client = Builder::new().spawn_scoped(scope, || {
                let heard = [b"hello", b"panic", b"again"]
                    .map(|text| hear(address, text));
                ctrl_c::STOPPING.store(true, Ordering::SeqCst);
                let _ = TcpStream::connect(address);
                heard
            });
            server.run(listener, b"full", talk);
            let heard = client.unwrap().join().unwrap();
            assert_eq!(heard, [&b"hello"[..], b"", b"again"]);
        });

        assert_eq!(server.totals(), "clients served: 3, refused: 0");
    }

    #[test]
    fn a_panic_is_one_error_line_and_nobody_elses() {
        let test = "a_panic_ends_one_connection_and_makes_room";
        let mut child =
            assert_cmd::Command::new(std::env::current_exe().unwrap());
        child.args([&format!("server::tests::{test}"), "--exact"]);
        child.args(["--ignored", "--nocapture"]);

        let ended = child.timeout(Duration::from_secs(20)).assert().success();

        let stderr = ended.get_output().stderr.clone();
        let stderr = String::from_utf8(stderr).unwrap();
        let lines: Vec<_> = stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{stderr}");
        assert!(lines[0].starts_with("[ERROR] 127.0.0.1:"), "{stderr}");
        assert!(lines[0].contains(" panicked at src"), "{stderr}");
    }
}
