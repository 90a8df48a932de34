//! The visitors of a server: a thread for each, a limit, and an end.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Builder, Scope};
use std::time::Duration;

use crate::deadline::Timed;
use crate::hang_up::{DRAIN_TIME, hang_up};
use crate::report::{self, Spell, Tag};
use crate::shutdown::Shutdown;

/// So many at once may be on their way out beside those who are inside: see
/// [`hang_up`], which takes up to a second.
pub const DOORSTEP: usize = 50;

/// Lets visitors in, up to a limit, and gives each a thread of its own.
#[derive(Debug)]
pub struct Visitors<'a> {
    seats: Places,
    doorstep: Places,
    full: &'a [u8],
    stop: &'a Shutdown,
    served: AtomicU64,
    refused: AtomicU64,
}

/// One visitor: a connection, and the address at its other end.
#[derive(Debug)]
pub struct Visitor<'a> {
    /// The peer's address.
    pub peer: SocketAddr,
    connection: TcpStream,
    stop: &'a Shutdown,
}

impl<'a> Visitors<'a> {
    /// At most `limit` visitors at once; one more hears `full`.
    #[must_use]
    pub fn new(limit: u32, full: &'a [u8], stop: &'a Shutdown) -> Self {
        Self {
            seats: Places::new(limit as usize),
            doorstep: Places::new(DOORSTEP),
            full,
            stop,
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Accepts visitors until Ctrl-C; `talk` is the conversation with one.
    /// When this returns, the listener is closed and every thread is joined.
    pub fn serve<T>(&self, listener: TcpListener, talk: T)
    where
        T: Fn(&Visitor<'_>) -> io::Result<()> + Sync,
    {
        panic::set_hook(Box::new(report::panicked));
        let mut spell = Spell::default();
        thread::scope(|scope| {
            loop {
                match listener.accept() {
                    _ if self.stop.requested() => break,
                    Ok((connection, peer)) => {
                        let stop = self.stop;
                        let visitor = Visitor { peer, connection, stop };
                        self.admit(scope, visitor, &talk);
                    }
                    Err(error) => spell.rest(&error, self.stop),
                }
            }
            drop(listener);
        });
    }

    /// Gives a visitor a seat and a thread, if a seat is free.
    fn admit<'scope, T>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        visitor: Visitor<'scope>,
        talk: &'scope T,
    ) where
        T: Fn(&Visitor<'_>) -> io::Result<()> + Sync,
    {
        let peer = visitor.peer;
        let Some(seat) = self.seats.take() else {
            return self.refuse(scope, visitor);
        };
        visitor.event(Tag::NewConnection, &self.seats);
        let thread = Builder::new().name(peer.to_string());
        let talk = move || self.attend(&visitor, seat, talk);
        if let Err(error) = thread.spawn_scoped(scope, talk) {
            report::trouble(peer, &error);
        }
    }

    /// Holds the conversation with one visitor, on the visitor's thread.
    fn attend<T>(&self, visitor: &Visitor<'_>, seat: Place<'_>, talk: &T)
    where
        T: Fn(&Visitor<'_>) -> io::Result<()>,
    {
        // A panic ends this visit and no other. The hook has reported it.
        let ended = panic::catch_unwind(AssertUnwindSafe(|| talk(visitor)));
        if let Ok(Err(error)) = ended
            && !self.stop.requested()
        {
            visitor.report(&error);
        }
        self.served.fetch_add(1, Ordering::Relaxed);
        // Whoever finds room on the doorstep gives the seat back now: seeing
        // the end, a visitor may come again at once.
        let _place = self.doorstep.take().unwrap_or(seat);
        // A visitor who is gone already needs no goodbye.
        let _ = hang_up(&visitor.connection);
        report::event(Tag::Closed, visitor.peer);
    }

    /// Tells a newcomer that no seat is free.
    fn refuse<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        visitor: Visitor<'scope>,
    ) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let peer = visitor.peer;
        visitor.event(Tag::Refused, &self.seats);
        // The buffer of a new connection has room for this: it never waits.
        if let Err(error) = visitor.within(DRAIN_TIME).write_all(self.full) {
            return report::trouble(peer, &error);
        }
        let Some(step) = self.doorstep.take() else {
            return; // A crowd: this one is closed without a hang-up.
        };
        let goodbye = move || {
            let _ = hang_up(&visitor.connection);
            drop(step);
        };
        let thread = Builder::new().name(peer.to_string());
        if let Err(error) = thread.spawn_scoped(scope, goodbye) {
            report::trouble(peer, &error);
        }
    }
}

/// The totals, for the last line: `visitors served: 3, refused: 1`.
impl fmt::Display for Visitors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served = self.served.load(Ordering::Relaxed);
        let refused = self.refused.load(Ordering::Relaxed);
        write!(f, "visitors served: {served}, refused: {refused}")
    }
}

impl Visitor<'_> {
    /// The connection, with `time` for all that is read and written on it.
    /// Ctrl-C ends its waits.
    #[must_use]
    pub fn within(&self, time: Duration) -> Timed<'_> {
        Timed::new(&self.connection, time).or_stop(self.stop)
    }

    /// Has what is written leave at once, even while the peer has not
    /// acknowledged what left before: see `TCP_NODELAY` in tcp(7).
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn send_at_once(&self) -> io::Result<()> {
        self.connection.set_nodelay(true)
    }

    /// Prints an event about this visitor.
    pub fn event(&self, tag: Tag, text: impl fmt::Display) {
        report::event(tag, format_args!("{} {text}", self.peer));
    }

    fn report(&self, error: &io::Error) {
        if error.kind() == ErrorKind::TimedOut {
            self.event(Tag::TimedOut, report::why(error));
        } else {
            report::trouble(self.peer, error);
        }
    }
}

/// A number of places.
#[derive(Debug)]
struct Places {
    all: usize,
    taken: AtomicUsize,
}

/// One place that is taken; dropping it gives it back, after a panic too.
#[derive(Debug)]
struct Place<'a>(&'a Places);

impl Places {
    const fn new(all: usize) -> Self {
        Self { all, taken: AtomicUsize::new(0) }
    }

    /// A place, if one is free. Two threads never get the last one both.
    fn take(&self) -> Option<Place<'_>> {
        let next = |taken| (taken < self.all).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .ok()
            .map(|_| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `(3 of 50)`.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.taken.load(Ordering::SeqCst);
        write!(f, "({taken} of {})", self.all)
    }
}
