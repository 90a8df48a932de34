//! ex01 · The first free port: a server that takes the next one when needed.
//!
//! It asks the system for P, then for P+1, and so on, and keeps the first
//! listener that it gets. `bind` is the only look: a port that was free a
//! moment ago may be taken now. It accepts nobody; the kernel lets clients
//! connect all the same.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::ctrl_c;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};

/// Listens on the first free port at or after P
#[derive(Parser)]
struct Args {
    /// The first port to try
    #[arg(long, value_name = "P", default_value_t = 8080)]
    from: u16,

    /// How many ports to try
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    tries: u16,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    // No accept waits here, so Ctrl-C has no listener to wake.
    ctrl_c::catch(None, |_| ())?;
    // Behind 65535 there is no port: the range ends there at the latest.
    let last = args.from.saturating_add(args.tries - 1);
    let (listener, bound) = listen_on_first_free(args.from, last)
        .and_then(|listener| {
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        })
        .map_err(|error| cannot_listen(args.from, last, &error))?;
    events::listening(bound);
    while !ctrl_c::stopping() {
        thread::park();
    }
    // The listener is the port: it has to live until here.
    drop(listener);
    event("STOPPED", "the port is free again");
    Ok(())
}

/// Asks for one port after the other. The last error says why there is none.
fn listen_on_first_free(from: u16, last: u16) -> io::Result<TcpListener> {
    let mut ended = Err(ErrorKind::AddrInUse.into());
    for port in from..=last {
        ended = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        match &ended {
            Err(error) if is_not_for_us(error) => {}
            // A listener; or a trouble that the next port would have, too.
            _ => break,
        }
    }
    ended
}

/// Whether this port cannot be had, while the next one may be free.
fn is_not_for_us(error: &io::Error) -> bool {
    // The system denies ports that it reserves: on Unix those under 1024, on
    // Windows some ranges, and those that a program holds exclusively.
    [ErrorKind::AddrInUse, ErrorKind::PermissionDenied].contains(&error.kind())
}

fn cannot_listen(from: u16, last: u16, error: &io::Error) -> Error {
    Error::new(
        format!("cannot get a port from {from} to {last}"),
        error,
        "Begin elsewhere with --from, or try more ports with --tries.",
    )
}
