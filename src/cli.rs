//! The flags that programs share, and the first step with them: a listener
//! for a server, a connection for a client.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use socket2::SockRef;

use crate::report::{self, Failure};

/// How many connections may wait for `accept`. std's own 128 are
/// soon full when a crowd comes at once, and a client who finds the queue full
/// tries again only after a second. The system may allow fewer.
pub const BACKLOG: i32 = 1024;

/// How long a client waits for a connection.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long a client waits for a server that says nothing, or takes nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The longest time-out that can be asked for: a day, in seconds.
pub const LONGEST_TIMEOUT: u64 = 24 * 60 * 60;

// clap would print a `///` of a struct below as what the program is for.
#[derive(clap::Args, Clone, Debug)]
#[allow(missing_docs, reason = "it would become the text of --help")]
pub struct Address {
    /// The address or name to listen on (server) or connect to (client)
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,

    /// The port; with 0 a server lets the system pick a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

impl Address {
    /// The addresses that the host stands for; a name can have several.
    ///
    /// # Errors
    /// When the name does not resolve.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        // [::1] is how an address with a port is written: take it, too.
        let host = self.host.trim_matches(['[', ']']);
        let found = (host, self.port).to_socket_addrs();
        let addresses: Vec<_> = found.into_iter().flatten().collect();
        if addresses.is_empty() {
            return Err(Failure::new(
                format!("cannot find {:?}", self.host),
                "the name could not be resolved",
                "Check the spelling and the network, or give a number: \
                 --host 127.0.0.1.",
            ));
        }
        Ok(addresses)
    }

    /// Binds and listens, at the first of the addresses that works.
    ///
    /// Also returns the address that is really bound: port 0 has become the
    /// port that the system picked.
    ///
    /// # Errors
    /// When the name does not resolve, or no address can be bound: see
    /// bind(2) and listen(2).
    pub fn listen(&self) -> Result<(TcpListener, SocketAddr), Failure> {
        let addresses = self.resolve()?;
        TcpListener::bind(&addresses[..])
            .and_then(|listener| {
                // A second listen(2) only makes the queue longer.
                SockRef::from(&listener).listen(BACKLOG)?;
                let bound = listener.local_addr()?;
                Ok((listener, bound))
            })
            .map_err(|error| self.cannot_listen(&error))
    }

    /// Connects to the first of the addresses that answers. A write then
    /// waits for at most [`PATIENCE`]; for reads see [`crate::deadline`].
    ///
    /// # Errors
    /// When the name does not resolve, or no address answers within
    /// [`CONNECT_TIME`]: see connect(2).
    pub fn connect(&self) -> Result<TcpStream, Failure> {
        let mut ended = Err(ErrorKind::AddrNotAvailable.into());
        for address in self.resolve()? {
            ended = TcpStream::connect_timeout(&address, CONNECT_TIME);
            if ended.is_ok() {
                break;
            }
        }
        ended
            .and_then(|connection| {
                connection.set_write_timeout(Some(PATIENCE))?;
                Ok(connection)
            })
            .map_err(|error| self.cannot_connect(&error))
    }

    /// The failure of a server that could not listen here.
    #[must_use]
    pub fn cannot_listen(&self, error: &io::Error) -> Failure {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => {
                "See who holds it (Linux: ss -ltnp, macOS: lsof -nP \
                 -iTCP -sTCP:LISTEN, Windows: netstat -ano), or let the \
                 system pick a free one: --port 0."
            }
            ErrorKind::PermissionDenied if self.port < 1024 => {
                "Ports under 1024 need a privilege: take a port from 1024 \
                 up, or let the system pick one: --port 0."
            }
            ErrorKind::PermissionDenied => {
                "The system reserves this port: take another, or let the \
                 system pick one: --port 0."
            }
            ErrorKind::AddrNotAvailable => {
                "Listen on an address of this machine: 127.0.0.1 (this \
                 machine alone can connect) or 0.0.0.0 (every network it \
                 is in)."
            }
            _ => "Try --host 127.0.0.1 and --port 0.",
        };
        let what = format!("cannot listen on {self}");
        Failure::new(what, report::why(error), advice)
    }

    fn cannot_connect(&self, error: &io::Error) -> Failure {
        let advice = match error.kind() {
            ErrorKind::ConnectionRefused => {
                "Start the server first, and give the client the address \
                 of its [LISTENING] line: --host and --port."
            }
            ErrorKind::TimedOut => {
                "The server's queue is full, or a firewall drops the \
                 packets, or no machine has this address."
            }
            _ => "Check --host and --port.",
        };
        let what = format!("cannot connect to {self}");
        Failure::new(what, report::why(error), advice)
    }

    /// The failure of a client whose conversation with the server here broke
    /// off.
    #[must_use]
    pub fn went_away(&self, error: &io::Error) -> Failure {
        let (what, advice) = match error.kind() {
            ErrorKind::InvalidData => (
                "does not speak this protocol",
                "Client and server must be of the same lesson.",
            ),
            _ => (
                "went away in the middle",
                "The server's terminal may say why.",
            ),
        };
        Failure::new(format!("{self} {what}"), report::why(error), advice)
    }
}

/// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`.
impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host =
            report::escaped(self.host.trim_matches(['[', ']']).as_bytes());
        if host.contains(':') {
            write!(f, "[{host}]:{}", self.port)
        } else {
            write!(f, "{host}:{}", self.port)
        }
    }
}

#[derive(clap::Args, Clone, Debug)]
#[allow(missing_docs, reason = "it would become the text of --help")]
pub struct Limits {
    /// At most this many visitors at once
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub max_clients: u32,

    /// Let a visitor go who keeps us waiting for this long
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=LONGEST_TIMEOUT))]
    pub timeout: u64,
}

impl Limits {
    /// `--timeout` as a [`Duration`].
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_to_listen_has_its_own_advice() {
        let cases = [
            (ErrorKind::AddrInUse, 8080, "ss -ltnp"),
            (ErrorKind::PermissionDenied, 80, "under 1024"),
            (ErrorKind::PermissionDenied, 8080, "reserves this port"),
            (ErrorKind::AddrNotAvailable, 8080, "of this machine"),
            (ErrorKind::Other, 8080, "--port 0"),
        ];
        for (kind, port, advice) in cases {
            let address = Address { host: "::1".to_owned(), port };

            let text = address.cannot_listen(&kind.into()).to_string();

            let what = format!("cannot listen on [::1]:{port}: ");
            assert!(text.starts_with(&what), "{text}");
            assert!(text.contains(advice), "{text}");
        }
    }
}
