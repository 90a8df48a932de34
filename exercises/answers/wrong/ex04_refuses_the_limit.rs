//! Wrong: it refuses a message that is exactly as long as the limit.

use std::io::{self, BufRead, BufReader, Read};
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
        length = match byte? {
            b' ' if length > 0 => return Ok(Some(length)),
            digit @ b'0'..=b'9' => length * 10 + usize::from(digit - b'0'),
            _ => return Err(io::Error::other("not a digit")),
        };
        if length == 0 || length >= limit {
            return Err(io::Error::other("not within the limit"));
        }
    }
    let cut = Err(io::Error::other("cut inside a length"));
    if length == 0 { Ok(None) } else { cut }
}
