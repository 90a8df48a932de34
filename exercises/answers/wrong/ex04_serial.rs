//! Wrong: it serves one sender after the other.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;

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
    loop {
        let Ok((connection, peer)) = listener.accept() else { continue };
        report::event(Tag::NewConnection, peer);
        let ended = receive(&connection, peer, args.max_message);
        if let Err(error) = ended {
            report::trouble(peer, &error);
        }
        report::event(Tag::Closed, peer);
    }
}

fn receive(
    connection: &TcpStream,
    peer: SocketAddr,
    limit: usize,
) -> io::Result<()> {
    let mut input = BufReader::new(connection);
    while let Some(length) = read_length(&mut input, limit)? {
        let mut message = vec![0; length];
        input.read_exact(&mut message)?;
        let text = report::escaped(&message);
        report::event(Tag::Received, format_args!("{peer} {text}"));
    }
    Ok(())
}

fn read_length(
    input: &mut impl BufRead,
    limit: usize,
) -> io::Result<Option<usize>> {
    let mut length = 0;
    for byte in input.bytes() {
        let byte = byte?;
        match (byte, length) {
            (b'1'..=b'9', _) | (b'0', 1..) => {
                length = length * 10 + usize::from(byte - b'0');
            }
            (b' ', 1..) => return Ok(Some(length)),
            _ => return Err(io::Error::other("not a length")),
        }
        if length > limit {
            return Err(io::Error::other("a length over the limit"));
        }
    }
    let cut = Err(io::Error::other("a length without an end"));
    if length == 0 { Ok(None) } else { cut }
}
