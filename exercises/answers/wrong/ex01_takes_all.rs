//! Wrong: it goes on after the first success, and takes all free ports.

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

    #[arg(long, default_value_t = 10)]
    tries: u16,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let mut listeners = Vec::new();
    for i in 0..args.tries {
        let Some(port) = args.from.checked_add(i) else { break };
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            listeners.push(listener);
        }
    }
    let failure = |why| Failure::new("no port", why, "Try another --from.");
    let first = listeners.first().ok_or_else(|| failure("all are taken"))?;
    let address = first.local_addr().map_err(|_| failure("it has no name"))?;
    report::listening(address);
    loop {
        thread::park();
    }
}
