//! Ctrl-C: one flag that every loop looks at, and a way to wake `accept`.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::report::{self, Failure};

/// How long the connection to our own listener may take.
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

    /// Raises the flag when the user presses Ctrl-C, and wakes `listener` if
    /// one is given.
    ///
    /// # Errors
    /// When no socket can be had, or a handler is set already: call it once.
    pub fn on_ctrl_c(
        listener: Option<&TcpListener>,
    ) -> Result<Arc<Self>, Failure> {
        let alarm = listener.map(Alarm::new).transpose();
        let mut alarm = alarm.map_err(|error| failure(report::why(&error)))?;
        let stop = Arc::new(Self::new());
        let handler = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            handler.request();
            if let Some(alarm) = alarm.take() {
                alarm.wake();
            }
        })
        .map_err(failure)?;
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

    /// Rests for at most `time`, or until the flag is raised. Only the thread
    /// that made this may call it.
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

fn failure(why: impl Display) -> Failure {
    let what = "cannot prepare for Ctrl-C";
    Failure::new(what, why, "Close programs that hold many files.")
}

/// Wakes a waiting `accept`, which std cannot interrupt: the program connects
/// to itself.
struct Alarm {
    /// Made beforehand: at Ctrl-C there might be no file descriptor for it.
    socket: Socket,
    address: SocketAddr,
    listener: TcpListener,
}

impl Alarm {
    fn new(listener: &TcpListener) -> io::Result<Self> {
        let address = reachable(listener.local_addr()?);
        Ok(Self {
            socket: Socket::new(
                Domain::for_address(address),
                Type::STREAM,
                None,
            )?,
            address,
            listener: listener.try_clone()?,
        })
    }

    fn wake(self) {
        let called =
            self.socket.connect_timeout(&self.address.into(), ALARM_TIME);
        if called.is_err() {
            // Nobody can connect to a broadcast address, and now and then no
            // port is left. Linux wakes accept when its socket is shut down;
            // where a system does not, the next client wakes it.
            let _ = SockRef::from(&self.listener)
                .shutdown(std::net::Shutdown::Both);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_can_be_called() {
        let cases = [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[fe80::1%2]:80", "[fe80::1%2]:80"),
        ];
        for (listening, called) in cases {
            let listening = listening.parse().unwrap();
            assert_eq!(reachable(listening), called.parse().unwrap());
        }
    }
}
