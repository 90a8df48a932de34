//! Wrong: when P is taken it lets the system pick any port.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::report::{self, Failure};

/// Listens on the first free port at or after P
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 8080)]
    from: u16,

    // Not needed: the system finds a free port at once.
    #[arg(long, default_value_t = 10)]
    tries: u16,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let _ = args.tries;
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, args.from))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, _listener) = bound.map_err(|error| {
        let advice = "Try another --from.";
        Failure::new("no port to be had", report::why(&error), advice)
    })?;
    report::listening(address);
    loop {
        thread::park();
    }
}
