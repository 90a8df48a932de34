//! The clients of a server: a thread for each, a limit, and an end.

// ANCHOR: uses
use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Builder};
use std::time::Duration;

use crate::accept_retry::AcceptRetry;
use crate::cli::Limits;
use crate::deadline::Timed;
use crate::hang_up::hang_up;
use crate::report::{self, Tag};
use crate::shutdown::Shutdown;
// ANCHOR_END: uses

// ANCHOR: limits
/// What a newcomer hears when there is no room.
pub const FULL: &str = "Server is full.";

/// How many clients may be in [`hang_up`] at once, beside those who are
/// inside. It takes up to a second.
pub const LEAVING: usize = 50;
// ANCHOR_END: limits

// ANCHOR: clients
/// Lets clients in, up to a limit, and gives each a thread of its own.
#[derive(Debug)]
pub struct Clients<'a> {
    inside: Places,
    leaving: Places,
    timeout: Duration,
    full: &'a [u8],
    stop: &'a Shutdown,
    served: AtomicU64,
    refused: AtomicU64,
}
// ANCHOR_END: clients

// ANCHOR: client
/// One client: a connection, and the address at its other end.
#[derive(Debug)]
pub struct Client<'a> {
    /// The peer's address.
    pub peer: SocketAddr,
    connection: TcpStream,
    timeout: Duration,
    stop: &'a Shutdown,
}
// ANCHOR_END: client

// ANCHOR: new
impl<'a> Clients<'a> {
    /// Serves at most `--max-clients` clients at once; one more is sent
    /// `full`.
    #[must_use]
    pub fn new(limits: &Limits, full: &'a [u8], stop: &'a Shutdown) -> Self {
        Self {
            inside: Places::new(limits.max_clients as usize),
            leaving: Places::new(LEAVING),
            timeout: limits.timeout(),
            full,
            stop,
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
    // ANCHOR_END: new

    // ANCHOR: serve
    /// Accepts clients until Ctrl-C; `talk` is the conversation with one.
    /// An error that it returns is reported, and ends that visit alone; so does
    /// a panic, for which this replaces the panic hook of the process. When
    /// this returns, the listener is closed and every thread is joined.
    pub fn serve<T>(&self, listener: TcpListener, talk: T)
    where
        T: Fn(&Client<'_>) -> io::Result<()> + Sync,
    {
        panic::set_hook(Box::new(report::panicked));
        let talk = &talk;
        let mut retry = AcceptRetry::default();
        // The scope ends when the last of its threads has ended.
        thread::scope(|scope| {
            while let Some(client) = self.next(&listener, &mut retry) {
                let Some(place) = self.place_for(&client) else {
                    continue;
                };
                let peer = client.peer;
                let thread = Builder::new().name(peer.to_string());
                let visit = move || self.attend(client, place, talk);
                if thread.spawn_scoped(scope, visit).is_err() {
                    let why = "the system has no thread left";
                    report::trouble(peer, &io::Error::other(why));
                    report::event(Tag::Closed, peer);
                }
            }
            drop(listener);
        });
    }
    // ANCHOR_END: serve

    // ANCHOR: next
    /// Waits for the next client, or returns `None` at Ctrl-C.
    fn next(
        &self,
        listener: &TcpListener,
        retry: &mut AcceptRetry,
    ) -> Option<Client<'a>> {
        let (timeout, stop) = (self.timeout, self.stop);
        loop {
            match listener.accept() {
                // At Ctrl-C the program connects to itself, to wake accept.
                _ if stop.requested() => return None,
                Ok((connection, peer)) => {
                    // Small answers leave at once: TCP_NODELAY in tcp(7). If
                    // that fails, they may leave later, and arrive all the
                    // same.
                    let _ = connection.set_nodelay(true);
                    return Some(Client { peer, connection, timeout, stop });
                }
                Err(error) => retry.rest(&error, stop),
            }
        }
    }
    // ANCHOR_END: next

    // ANCHOR: place_for
    /// A place inside; or, if none is free, a refusal and a place to leave.
    fn place_for(&self, client: &Client<'_>) -> Option<Place<'_>> {
        if let Some(place) = self.inside.take() {
            client.event(Tag::NewConnection, &self.inside);
            return Some(Place::Inside(place));
        }
        client.event(Tag::Refused, &self.inside);
        self.refused.fetch_add(1, Ordering::Relaxed);
        // A new connection has room for these few bytes: this never waits.
        let told = client.timed().write_all(self.full);
        if let Err(error) = &told {
            report::trouble(client.peer, error);
        }
        // Without a place to leave, the connection is closed at once.
        let place = told.ok().and_then(|()| self.leaving.take());
        if place.is_none() {
            report::event(Tag::Closed, client.peer);
        }
        place.map(Place::Leaving)
    }
    // ANCHOR_END: place_for

    // ANCHOR: attend
    /// A visit from its beginning to its end, on its own thread.
    fn attend<T>(&self, client: Client<'_>, place: Place<'_>, talk: &T)
    where
        T: Fn(&Client<'_>) -> io::Result<()>,
    {
        let leaving = match place {
            Place::Leaving(place) => place,
            Place::Inside(place) => {
                self.converse(&client, talk);
                // Whoever finds a place to leave gives the one inside back
                // now: seeing the end, a client may come again at once.
                self.leaving.take().unwrap_or(place)
            }
        };
        // A client who is gone already needs no goodbye.
        let _ = hang_up(&client.connection);
        let peer = client.peer;
        drop(client);
        report::event(Tag::Closed, peer);
        drop(leaving);
    }
    // ANCHOR_END: attend

    // ANCHOR: converse
    fn converse<T>(&self, client: &Client<'_>, talk: &T)
    where
        T: Fn(&Client<'_>) -> io::Result<()>,
    {
        // A panic ends this visit and no other; the hook has reported it.
        let ended = panic::catch_unwind(AssertUnwindSafe(|| talk(client)));
        if let Ok(Err(error)) = ended
            && !self.stop.requested()
        {
            report::trouble(client.peer, &error);
        }
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}
// ANCHOR_END: converse

// ANCHOR: totals
/// The totals, for the last line: `clients served: 3, refused: 1`.
impl fmt::Display for Clients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served = self.served.load(Ordering::Relaxed);
        let refused = self.refused.load(Ordering::Relaxed);
        write!(f, "clients served: {served}, refused: {refused}")
    }
}
// ANCHOR_END: totals

// ANCHOR: timed
impl Client<'_> {
    /// The connection, with `--timeout` from now on for all that is read and
    /// written on it. Ctrl-C ends its waits.
    #[must_use]
    pub fn timed(&self) -> Timed<'_> {
        Timed::new(&self.connection, self.timeout).or_stop(self.stop)
    }

    /// Prints an event about this client.
    pub fn event(&self, tag: Tag, text: impl fmt::Display) {
        report::event(tag, format_args!("{} {text}", self.peer));
    }
}
// ANCHOR_END: timed

// ANCHOR: place
/// Where a client stands.
enum Place<'a> {
    /// In conversation.
    Inside(Taken<'a>),
    /// On the way out, during the hang-up.
    Leaving(Taken<'a>),
}
// ANCHOR_END: place

// ANCHOR: places
/// A number of places of one kind.
#[derive(Debug)]
struct Places {
    all: usize,
    taken: AtomicUsize,
}

/// One place that is taken; dropping it gives it back, after a panic too.
#[derive(Debug)]
struct Taken<'a>(&'a Places);
// ANCHOR_END: places

// ANCHOR: take
impl Places {
    const fn new(all: usize) -> Self {
        Self { all, taken: AtomicUsize::new(0) }
    }

    /// A place, if one is free. Two threads never get the same.
    fn take(&self) -> Option<Taken<'_>> {
        let next = |taken| (taken < self.all).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .ok()
            .map(|_| Taken(self))
    }
}
// ANCHOR_END: take

// ANCHOR: give_back
impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
    }
}
// ANCHOR_END: give_back

// ANCHOR: count
/// `(3 of 50)`.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.taken.load(Ordering::SeqCst);
        write!(f, "({taken} of {})", self.all)
    }
}
// ANCHOR_END: count

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::Ipv4Addr;

    use super::*;

    const LIMITS: Limits = Limits { max_clients: 1, timeout: 5 };

    /// What a client hears who says `text` to `address`.
    fn hear(address: SocketAddr, text: &[u8]) -> Vec<u8> {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(LIMITS.timeout())).unwrap();
        client.write_all(text).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        heard
    }

    #[test]
    #[ignore = "runs as a child of the test below, which reads its stderr"]
    fn a_panic_ends_one_visit_and_gives_the_place_back() {
        let stop = Shutdown::new();
        let clients = Clients::new(&LIMITS, b"full", &stop);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let talk = |client: &Client<'_>| {
            let mut text = [0; 5];
            client.timed().read_exact(&mut text)?;
            assert_ne!(&text, b"panic", "a mistake in a lesson");
            client.timed().write_all(&text)
        };

        thread::scope(|scope| {
            let guest = Builder::new().spawn_scoped(scope, || {
                let heard = [b"hello", b"panic", b"again"]
                    .map(|text| hear(address, text));
                stop.request();
                let _ = TcpStream::connect(address);
                heard
            });
            clients.serve(listener, talk);
            let heard = guest.unwrap().join().unwrap();
            assert_eq!(heard, [&b"hello"[..], b"", b"again"]);
        });

        assert_eq!(clients.to_string(), "clients served: 3, refused: 0");
    }

    #[test]
    fn a_panic_is_one_error_line_and_nobody_elses() {
        let test = "a_panic_ends_one_visit_and_gives_the_place_back";
        let mut child =
            assert_cmd::Command::new(std::env::current_exe().unwrap());
        child.args([&format!("clients::tests::{test}"), "--exact"]);
        child.args(["--ignored", "--nocapture"]).timeout(4 * LIMITS.timeout());

        let ended = child.assert().success();

        let stderr = ended.get_output().stderr.clone();
        let stderr = String::from_utf8(stderr).unwrap();
        let lines: Vec<_> = stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{stderr}");
        assert!(lines[0].starts_with("[ERROR] 127.0.0.1:"), "{stderr}");
        assert!(lines[0].contains(" panicked at src"), "{stderr}");
    }

    #[test]
    fn the_last_place_is_taken_once() {
        let places = Places::new(1);

        let one = places.take();
        assert!(one.is_some());
        assert!(places.take().is_none());
        drop(one);

        assert!(places.take().is_some());
    }
}
