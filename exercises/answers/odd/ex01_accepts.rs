//! Odd: it accepts and greets, on sockets that never block.
//!
//! One loop does all: it looks for a newcomer, greets it, and keeps the last
//! hundred connections open. Numbers are `u32`, and each port that could not
//! be had is named with its reason.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;

/// How many clients are kept.
const KEPT: usize = 100;

/// Listens on the first free port, and greets
#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "8080")]
    from: u32,

    #[arg(long, default_value = "10")]
    tries: u32,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut reasons = Vec::new();
    for number in args.from..args.from.saturating_add(args.tries) {
        let Ok(port) = u16::try_from(number) else {
            reasons.push(format!("there is no port {number}"));
            break;
        };
        match TcpListener::bind(format!("127.0.0.1:{port}")) {
            Ok(listener) => return serve(&listener),
            Err(error) => reasons.push(format!("port {port}: {error}")),
        }
    }
    eprintln!("No port could be had.\n{}", reasons.join("\n"));
    ExitCode::from(1)
}

fn serve(listener: &TcpListener) -> ExitCode {
    if let Ok(address) = listener.local_addr() {
        println!("[LISTENING] {address} (greets everybody)");
    }
    if listener.set_nonblocking(true).is_err() {
        eprintln!("This system has no sockets that do not block.");
        return ExitCode::FAILURE;
    }
    let mut clients: VecDeque<TcpStream> = VecDeque::new();
    loop {
        match listener.accept() {
            Ok((mut client, _)) => {
                let _ = client.set_nonblocking(true);
                let _ = client.write_all(b"Welcome, whoever you are.\r\n");
                clients.push_back(client);
                if clients.len() > KEPT {
                    clients.pop_front();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => {
                eprintln!("accept: {error}");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}
