//! Wrong: it prints the port that was asked for, not the one that it got.

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
    let _listener = find(args)?;
    println!("[LISTENING] 127.0.0.1:{}", args.from);
    loop {
        thread::park();
    }
}

fn find(args: &Args) -> Result<TcpListener, Failure> {
    for i in 0..args.tries {
        if let Some(port) = args.from.checked_add(i)
            && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        {
            return Ok(listener);
        }
    }
    Err(Failure::new("no port", "all are taken", "Try another --from."))
}
