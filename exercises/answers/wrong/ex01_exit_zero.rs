//! Wrong: when all ports are taken it says so, and exits with code 0.

use std::net::{Ipv4Addr, TcpListener};
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

fn main() {
    let args = Args::parse();
    for i in 0..args.tries {
        let Some(port) = args.from.checked_add(i) else {
            break;
        };
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_listener) => {
                println!("[LISTENING] 127.0.0.1:{port}");
                loop {
                    thread::park();
                }
            }
            Err(error) => eprintln!("port {port}: {error}"),
        }
    }
    eprintln!("No port is free.");
}
