//! The flags that programs share.

use std::fmt::{self, Display};

/// The longest time-out that can be asked for: a day, in seconds.
pub const LONGEST_TIMEOUT: u64 = 24 * 60 * 60;

// clap would print a `///` of a struct below as what the program is for.
#[derive(clap::Args, Clone, Debug)]
#[allow(missing_docs, reason = "it would become the text of --help")]
pub struct Address {
    /// Address or name: a server listens on it, a client connects to it
    #[arg(long, global = true, default_value = "127.0.0.1")]
    pub host: String,

    /// The port; with 0 a server lets the system pick a free one
    #[arg(long, global = true, default_value_t = 8080)]
    pub port: u16,
}

/// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`.
impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            ip if ip.contains(':') => write!(f, "[{ip}]:{}", self.port),
            name => write!(f, "{name}:{}", self.port),
        }
    }
}

#[derive(clap::Args, Clone, Debug)]
#[allow(missing_docs, reason = "it would become the text of --help")]
pub struct Limits {
    /// How many clients may be served at once
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub max_clients: u32,

    /// Close a connection that keeps the server waiting for this long
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=LONGEST_TIMEOUT))]
    pub timeout: u64,
}
