//! Wrong: it throws away what stands in its buffer behind the frame that it
//! prints.

use std::io::{self, Read};
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
    mut connection: &TcpStream,
    peer: SocketAddr,
    limit: usize,
) -> io::Result<()> {
    let mut frame = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = connection.read(&mut chunk)?;
        if count == 0 && frame.is_empty() {
            return Ok(());
        } else if count == 0 {
            return Err(io::Error::other("the frame is cut off"));
        }
        frame.extend_from_slice(&chunk[..count]);
        let Some((digits, length)) = header(&frame, limit)? else { continue };
        let message = &frame[digits + 1..];
        if message.len() >= length {
            let text = report::escaped(&message[..length]);
            report::event(Tag::Received, format_args!("{peer} {text}"));
            frame.clear();
        }
    }
}

/// How many digits there are, and the length that they say.
fn header(frame: &[u8], limit: usize) -> io::Result<Option<(usize, usize)>> {
    let mut length = 0;
    for (digits, &byte) in frame.iter().enumerate() {
        if byte == b' ' && length > 0 {
            return Ok(Some((digits, length)));
        }
        if !byte.is_ascii_digit() || (byte == b'0' && length == 0) {
            return Err(io::Error::other("no length"));
        }
        length = length * 10 + usize::from(byte - b'0');
        if length > limit {
            return Err(io::Error::other("too long a length"));
        }
    }
    Ok(None)
}
