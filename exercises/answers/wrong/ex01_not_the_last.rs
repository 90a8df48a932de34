//! Wrong: it never tries port 65535.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;

use clap::Parser;

/// Listens on the first free port at or after P
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 8080)]
    from: u16,

    #[arg(long, default_value_t = 10)]
    tries: u16,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Saturating, so that nothing overflows.
    let end = args.from.saturating_add(args.tries);
    let found = (args.from..end).find_map(|port| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().zip(Some(port))
    });
    let Some((_listener, port)) = found else {
        eprintln!("No port of {} from {} on is free.", args.tries, args.from);
        return ExitCode::FAILURE;
    };
    println!("[LISTENING] 127.0.0.1:{port}");
    loop {
        thread::park();
    }
}
