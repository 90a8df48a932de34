//! Wrong: an unwrap panics at a cut message, and another hands the panic on to
//! the server.

#![allow(clippy::unwrap_used, reason = "the mistake")]

use std::io::{self, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread::{self, JoinHandle};

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};

/// Prints the log messages of many senders
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The longest message that is taken
    #[arg(long, default_value_t = 8192)]
    max_message: usize,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    report::listening(address);
    let limit = args.max_message;
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let Ok((connection, peer)) = listener.accept() else { continue };
        for ended in threads.extract_if(.., |thread| thread.is_finished()) {
            ended.join().unwrap();
        }
        let talk = move || {
            if let Err(error) = receive(&connection, peer, limit) {
                report::trouble(peer, &error);
            }
        };
        match thread::Builder::new().spawn(talk) {
            Ok(thread) => threads.push(thread),
            Err(error) => report::trouble(peer, &error),
        }
    }
}

fn receive(
    connection: &TcpStream,
    peer: SocketAddr,
    limit: usize,
) -> io::Result<()> {
    let mut input = BufReader::new(connection);
    let mut length = 0;
    let mut byte = [0];
    while input.read(&mut byte)? > 0 {
        let digit = usize::from(byte[0].wrapping_sub(b'0'));
        match (byte[0], digit) {
            (b' ', _) if length > 0 => {
                let mut message = vec![0; length];
                input.read_exact(&mut message).unwrap();
                let text = report::escaped(&message);
                report::event(Tag::Received, format_args!("{peer} {text}"));
                length = 0;
            }
            (_, 1..10) => length = length * 10 + digit,
            (b'0', _) if length > 0 => length *= 10,
            _ => return Err(io::Error::other("no length")),
        }
        if length > limit {
            return Err(io::Error::other("too long"));
        }
    }
    if length > 0 {
        return Err(io::Error::other("cut inside a length"));
    }
    Ok(())
}
