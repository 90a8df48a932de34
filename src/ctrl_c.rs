//! Ctrl-C: a flag for all, a wake-up for the thread that accepts, and some
//! time for the connections that are open.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, process, thread};

use socket2::SockRef;

use crate::errors::Error;

/// How long a client has to end its side before it is cut off.
pub const GRACE_TIME: Duration = Duration::from_millis(700);

/// How long the connection to ourselves may take.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) static STOPPING: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C has been pressed.
pub fn stopping() -> bool {
    STOPPING.load(Ordering::SeqCst)
}

/// From now on Ctrl-C raises the flag of [`stopping`], wakes this thread if it
/// is parked or waits in `accept` on `listener`, and calls `shut_down` twice:
/// now for the write halves, and for both after [`GRACE_TIME`]. On Unix
/// SIGTERM and SIGHUP do the same. A second Ctrl-C ends the program, whatever
/// blocks it: a disk, or a stdout that nobody reads. But it counts only when
/// the orderly end has had three times [`GRACE_TIME`].
///
/// # Errors
/// When the listener cannot be shared, or Ctrl-C is caught already.
pub fn catch(
    listener: Option<&TcpListener>,
    shut_down: impl Fn(Shutdown) + Send + 'static,
) -> Result<(), Error> {
    let failed = |error| {
        let advice = "Close programs that hold many files.";
        Error::new("cannot prepare for Ctrl-C", &error, advice)
    };
    let shared = listener.map(TcpListener::try_clone).transpose();
    let mut listener = shared.map_err(failed)?;
    let main = thread::current();
    let handler = move || {
        if STOPPING.swap(true, Ordering::SeqCst) {
            #[expect(clippy::exit, reason = "nothing else ends what blocks")]
            process::exit(1);
        }
        main.unpark();
        shut_down(Shutdown::Write);
        // Taken, so that it is closed when the server closes its own.
        let _ = listener.take().as_ref().map(wake);
        thread::sleep(GRACE_TIME);
        shut_down(Shutdown::Both);
        // A second Ctrl-C is heard only now: the orderly end has its time.
        thread::sleep(2 * GRACE_TIME);
    };
    ctrlc::set_handler(handler).map_err(|e| failed(io::Error::other(e)))
}

/// Ends a waiting `accept`, which std cannot interrupt.
fn wake(listener: &TcpListener) -> io::Result<()> {
    // Linux ends it when the socket is shut down, and refuses newcomers from
    // now on. The other systems do not allow that for a listener.
    if SockRef::from(listener).shutdown(Shutdown::Both).is_ok() {
        return Ok(());
    }
    // There the program connects to itself. If no descriptor is left for
    // that, `accept` does not wait either: it fails, and is tried again.
    let mut address = listener.local_addr()?;
    address.set_ip(match address.ip() {
        // To listen, 0.0.0.0 is every address; on Windows nobody can call it.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    });
    TcpStream::connect_timeout(&address, WAKE_TIMEOUT).map(drop)
}
