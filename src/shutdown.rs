//! Ctrl-C: one flag that every loop looks at, and a way to wake `accept`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::report::{self, Failure};

/// How long the alarm call to our own listener may take.
const ALARM_TIME: Duration = Duration::from_secs(1);

/// Says whether the server is to stop.
///
/// Ctrl-C asks for it on every system; on Unix SIGTERM and SIGHUP do as well.
#[derive(Debug)]
pub struct Shutdown {
    requested: AtomicBool,
    /// The thread that made this, which accepts and pauses.
    main: Thread,
}

impl Shutdown {
    /// A flag that is not raised yet.
    #[must_use]
    pub fn new() -> Self {
        Self { requested: AtomicBool::new(false), main: thread::current() }
    }

    /// Raises the flag when the user presses Ctrl-C.
    ///
    /// std cannot interrupt a waiting `accept`. So the program connects to
    /// itself, at `listening`, and `accept` returns. The socket for this call
    /// is made now: later no file descriptor may be left.
    ///
    /// # Errors
    /// When the system gives no socket or takes no handler.
    pub fn on_ctrl_c(
        listening: Option<SocketAddr>,
    ) -> Result<Arc<Self>, Failure> {
        let failure = |error: &dyn std::fmt::Display| {
            let what = "cannot prepare for Ctrl-C";
            Failure::new(what, error, "Close programs that hold many files.")
        };
        let mut alarm = match listening.map(reachable) {
            Some(address) => Some(
                Socket::new(Domain::for_address(address), Type::STREAM, None)
                    .map(|socket| (socket, address))
                    .map_err(|error| failure(&report::why(&error)))?,
            ),
            None => None,
        };
        let stop = Arc::new(Self::new());
        let handler = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            handler.request();
            if let Some((socket, address)) = alarm.take() {
                // A failed call means that accept was not waiting.
                let _ = socket.connect_timeout(&address.into(), ALARM_TIME);
            }
        })
        .map_err(|error| failure(&error))?;
        Ok(stop)
    }

    /// Raises the flag.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
        self.main.unpark();
    }

    /// Whether the flag is raised.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Rests for `time`, or until the flag is raised. Only the thread that
    /// made this may call it.
    pub fn pause(&self, time: Duration) {
        if !self.requested() {
            thread::park_timeout(time);
        }
    }

    /// Waits until the flag is raised. Only the thread that made this may
    /// call it.
    pub fn wait(&self) {
        while !self.requested() {
            thread::park();
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a listener can be called: 0.0.0.0 means every address to `bind`, but
/// on Windows none to `connect`.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let mut address = listening;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        IpAddr::V6(ip) if ip.is_unspecified() => {
            address.set_ip(Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    address
}
