//! Wrong: it expects every message to be UTF-8, and panics when one is not.

#![allow(clippy::unwrap_used, reason = "the mistake")]

use std::io::{self, BufReader, Read};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;

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
    report::event(Tag::Listening, address);
    thread::scope(|scope| {
        for connection in listener.incoming().flatten() {
            let visit = || {
                let ended = receive(connection, args.max_message);
                if let Err(error) = ended {
                    report::remark(Tag::Error, error);
                }
            };
            let thread = thread::Builder::new();
            if let Err(error) = thread.spawn_scoped(scope, visit) {
                report::remark(Tag::Error, error);
            }
        }
    });
    Ok(())
}

fn receive(connection: TcpStream, limit: usize) -> io::Result<()> {
    let peer = connection.peer_addr()?;
    let mut input = BufReader::new(connection);
    loop {
        let mut length = 0;
        loop {
            let mut byte = [0];
            match (input.read(&mut byte)?, byte[0]) {
                (0, _) if length == 0 => return Ok(()),
                (0, _) => return Err(io::Error::other("cut in a length")),
                (_, b' ') if length > 0 => break,
                (_, b'0') if length == 0 => {
                    return Err(io::Error::other("a zero in front"));
                }
                (_, digit) if digit.is_ascii_digit() => {
                    length = length * 10 + usize::from(digit - b'0');
                }
                (_, _) => return Err(io::Error::other("no digit")),
            }
            if length > limit {
                return Err(io::Error::other("over the limit"));
            }
        }
        let mut message = vec![0; length];
        input.read_exact(&mut message)?;
        let text = String::from_utf8(message).unwrap();
        let text = report::escaped(text.as_bytes());
        report::event(Tag::Received, format_args!("{peer} {text}"));
    }
}
