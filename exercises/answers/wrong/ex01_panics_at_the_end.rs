//! Wrong: it panics when all ports are taken; the exit code is 101.
#![allow(clippy::expect_used, reason = "the mistake")]

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
    let (port, _listener) = (0..args.tries)
        .filter_map(|i| args.from.checked_add(i))
        .find_map(|port| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            Some((port, listener.ok()?))
        })
        .expect("no port is free");
    println!("[LISTENING] 127.0.0.1:{port}");
    loop {
        thread::park();
    }
}
