//! Wrong: it prints a message as it came, and a line feed in it makes two
//! lines.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure};

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
    loop {
        let Ok((connection, peer)) = listener.accept() else { continue };
        let talk = move || {
            if let Err(error) = receive(&connection, peer, limit) {
                report::trouble(peer, &error);
            }
        };
        if let Err(error) = thread::Builder::new().spawn(talk) {
            report::trouble(peer, &error);
        }
    }
}

fn receive(
    connection: &TcpStream,
    peer: SocketAddr,
    limit: usize,
) -> io::Result<()> {
    let mut digits = String::new();
    #[allow(clippy::unbuffered_bytes, reason = "it is slow, but right")]
    for byte in connection.bytes() {
        match byte? {
            b' ' if !digits.is_empty() => {
                let length = digits.parse().unwrap_or(0);
                print(connection, peer, length)?;
                digits.clear();
            }
            b'0' if digits.is_empty() => {
                return Err(io::Error::other("the length begins with 0"));
            }
            digit if digit.is_ascii_digit() => digits.push(digit.into()),
            _ => return Err(io::Error::other("the length is no number")),
        }
        if digits.parse().unwrap_or(0) > limit {
            return Err(io::Error::other("the length is too large"));
        }
    }
    if !digits.is_empty() {
        return Err(io::Error::other("the length is cut off"));
    }
    Ok(())
}

fn print(
    mut connection: &TcpStream,
    peer: SocketAddr,
    length: usize,
) -> io::Result<()> {
    let mut message = vec![0; length];
    connection.read_exact(&mut message)?;
    let mut line = format!("[{}] {peer} ", "RECEIVED").into_bytes();
    line.extend_from_slice(&message);
    line.push(b'\n');
    io::stdout().write_all(&line)
}
