//! The flags that programs share, and the first step with them: a listener
//! for a server, a connection for a client.

use std::fmt::{self, Display};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use socket2::SockRef;

use crate::report::{self, Failure};

/// How many finished connections may wait for `accept`. std's own 128 are
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
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses: Vec<_> = found.into_iter().flatten().collect();
        if addresses.is_empty() {
            return Err(Failure::new(
                format!(
                    "cannot find {}",
                    report::escaped(self.host.as_bytes())
                ),
                "no address is known for this name",
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
            .map_err(|error| {
                Failure::listen(&self.to_string(), self.port, &error)
            })
    }

    /// Connects to the first of the addresses that answers. Reads and writes
    /// on the connection then wait for at most [`PATIENCE`] each.
    ///
    /// # Errors
    /// When the name does not resolve, or no address answers within
    /// [`CONNECT_TIME`]: see connect(2).
    pub fn connect(&self) -> Result<TcpStream, Failure> {
        let mut ended = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in self.resolve()? {
            ended = TcpStream::connect_timeout(&address, CONNECT_TIME);
            if ended.is_ok() {
                break;
            }
        }
        ended
            .and_then(|connection| {
                connection.set_read_timeout(Some(PATIENCE))?;
                connection.set_write_timeout(Some(PATIENCE))?;
                Ok(connection)
            })
            .map_err(|error| Failure::connect(&self.to_string(), &error))
    }
}

/// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`.
impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = report::escaped(self.host.as_bytes());
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
