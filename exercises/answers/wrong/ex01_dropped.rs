//! Wrong: it drops the listener after it has printed the line.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::report;

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
    let listening = (0..args.tries)
        .filter_map(|i| args.from.checked_add(i))
        .any(|port| listen(port).is_ok());
    if !listening {
        eprintln!("All the ports from {} on are taken.", args.from);
        return ExitCode::FAILURE;
    }
    // The program goes on, so the port stays open.
    loop {
        thread::park();
    }
}

fn listen(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    report::listening(listener.local_addr()?);
    Ok(())
}
