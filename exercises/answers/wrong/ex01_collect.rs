//! Wrong: it makes a list of the free ports first, and then takes the first.

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
    let mut free = Vec::new();
    for i in 0..args.tries {
        if let Some(port) = args.from.checked_add(i)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            free.push(port);
        }
    }
    let advice = "Try another --from.";
    let Some(port) = free.first() else {
        return Err(Failure::new("no port", "all are taken", advice));
    };
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, *port))
        .and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, _listener) = bound.map_err(|error| {
        Failure::new(format!("port {port}"), report::why(&error), advice)
    })?;
    report::listening(address);
    loop {
        thread::park();
    }
}
