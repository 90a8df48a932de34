//! Wrong: it adds in `u16`, which panics behind port 65535.

use std::io::ErrorKind;
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
    for i in 0..args.tries {
        let port = args.from + i;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                println!("[LISTENING] 127.0.0.1:{port}");
                wait_with(&listener);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => {
                eprintln!("cannot listen on port {port}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    eprintln!("No port is free.");
    ExitCode::FAILURE
}

fn wait_with(_listener: &TcpListener) -> ! {
    loop {
        thread::park();
    }
}
