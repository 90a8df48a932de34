//! A listener for a server, a connection for a client; and what to do when
//! there is none.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use socket2::SockRef;

use crate::errors::Error;
use crate::flags::Address;

/// How many connections may wait for `accept`; the system may allow fewer,
/// see listen(2). std asks for 128, which a crowd fills at once: Linux then
/// drops the requests, and the clients try again only after a second (RFC
/// 6298, section 2.1).
pub const BACKLOG: i32 = 1024;

/// How long a client tries one address of a server.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client waits for a server that says nothing, or takes nothing.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The addresses that the host stands for; a name can have several.
///
/// # Errors
/// When the name does not resolve.
pub fn resolve(address: &Address) -> Result<Vec<SocketAddr>, Error> {
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    found.map(Iterator::collect).map_err(|_| {
        let what = format!("cannot find {:?}", address.host);
        let why = io::Error::other("the name could not be resolved");
        let advice = "Check the spelling, or give a number: --host 127.0.0.1.";
        Error::new(what, &why, advice)
    })
}

/// Binds and listens, at the first of the addresses that works. Also returns
/// the address that is really bound: port 0 has become the port that the
/// system picked.
///
/// # Errors
/// When the name does not resolve, or no address can be bound: see bind(2)
/// and listen(2).
pub fn listen(address: &Address) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error| cannot_listen(address, &error);
    let addresses = resolve(address)?;
    let listener = TcpListener::bind(&addresses[..]).map_err(failed)?;
    // On Linux a second listen(2) sets the backlog anew; elsewhere it may
    // have no effect.
    SockRef::from(&listener).listen(BACKLOG).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// The error of a server that could not listen.
pub fn cannot_listen(address: &Address, error: &io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => {
            "See who holds it (ss -ltnp, macOS: lsof -nP -iTCP, Windows: \
             netstat -ano). Nobody? Then an old connection is remembered \
             (ss -tan): wait a minute. Or take a free port: --port 0."
        }
        ErrorKind::PermissionDenied => {
            "Take another port, or --port 0: under 1024 needs a privilege."
        }
        ErrorKind::AddrNotAvailable => {
            "Take 127.0.0.1, or 0.0.0.0 for all addresses of this machine."
        }
        _ => "Try --host 127.0.0.1 and --port 0.",
    };
    Error::new(format!("cannot listen on {address}"), error, advice)
}

/// Connects to the first of the addresses that answers. Then each read and
/// each write may take [`CLIENT_TIMEOUT`].
///
/// # Errors
/// When the name does not resolve, or no address answers within
/// [`CONNECT_TIMEOUT`] each: see connect(2).
pub fn connect(address: &Address) -> Result<TcpStream, Error> {
    let mut error = ErrorKind::AddrNotAvailable.into();
    for candidate in resolve(address)? {
        match TcpStream::connect_timeout(&candidate, CONNECT_TIMEOUT) {
            Ok(stream) => {
                // If these fail, the connection is gone: a read will say so.
                let _ = stream.set_read_timeout(Some(CLIENT_TIMEOUT));
                let _ = stream.set_write_timeout(Some(CLIENT_TIMEOUT));
                return Ok(stream);
            }
            Err(failed) => error = failed,
        }
    }
    let advice = match error.kind() {
        ErrorKind::TimedOut => {
            "Its queue is full, or a firewall is in the way."
        }
        _ => "Start a server first: its [LISTENING] line has the address.",
    };
    Err(Error::new(format!("cannot connect to {address}"), &error, advice))
}

/// The error of a client whose conversation with the server broke off.
pub fn disconnected(address: &Address, error: &io::Error) -> Error {
    let what = format!("the conversation with {address} broke off");
    let advice = "Look at the server's terminal. Are both of the same lesson?";
    Error::new(what, error, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_to_listen_has_its_own_advice() {
        let cases = [
            (ErrorKind::AddrInUse, "ss -ltnp"),
            (ErrorKind::AddrInUse, "ss -tan"),
            (ErrorKind::PermissionDenied, "under 1024"),
            (ErrorKind::AddrNotAvailable, "of this machine"),
            (ErrorKind::Other, "--port 0"),
        ];
        for (kind, advice) in cases {
            let address = Address { host: "::1".to_owned(), port: 80 };

            let error = cannot_listen(&address, &kind.into());

            let text = format!("{error:?}");
            assert!(text.contains("cannot listen on [::1]:80: "), "{text}");
            assert!(text.contains(advice), "{text}");
        }
    }
}
