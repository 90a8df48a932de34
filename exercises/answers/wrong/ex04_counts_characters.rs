//! Wrong: it reads as many characters as the length says, where bytes are
//! meant.

use std::io::{self, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
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
    let mut input = BufReader::new(connection);
    while let Some(length) = read_length(&mut input, limit)? {
        let (mut message, mut characters) = (Vec::new(), 0);
        while characters < length {
            // The bytes of one character come one behind the other.
            let mut byte = [0];
            input.read_exact(&mut byte)?;
            message.push(byte[0]);
            let text = String::from_utf8_lossy(&message);
            characters = text.chars().count();
        }
        let text = report::escaped(&message);
        report::event(Tag::Received, format_args!("{peer} {text}"));
    }
    Ok(())
}

fn read_length(
    input: &mut impl Read,
    limit: usize,
) -> io::Result<Option<usize>> {
    let mut length = 0;
    let mut byte = [0];
    while input.read(&mut byte)? == 1 {
        if byte == *b" " && length > 0 {
            return Ok(Some(length));
        }
        let digit = byte[0].wrapping_sub(b'0');
        if digit > 9 || (digit == 0 && length == 0) {
            return Err(io::Error::other("no digit"));
        }
        length = length * 10 + usize::from(digit);
        if length > limit {
            return Err(io::Error::other("too many"));
        }
    }
    let cut = Err(io::Error::other("the end came early"));
    if length == 0 { Ok(None) } else { cut }
}
