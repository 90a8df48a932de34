//! Wrong: it takes one `read` for the whole message, where `read_exact` is
//! needed.

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
    while let Some(length) = read_length(connection, limit)? {
        let mut message = vec![0; length];
        let count = connection.read(&mut message)?;
        if count == 0 {
            return Err(io::Error::other("the message is cut off"));
        }
        let text = report::escaped(&message[..count]);
        report::event(Tag::Received, format_args!("{peer} {text}"));
    }
    Ok(())
}

fn read_length(
    connection: &TcpStream,
    limit: usize,
) -> io::Result<Option<usize>> {
    let mut length = None;
    #[allow(clippy::unbuffered_bytes, reason = "it is slow, but right")]
    for byte in connection.bytes() {
        let sum = match (byte?, length) {
            (b' ', Some(_)) => return Ok(length),
            (digit @ b'1'..=b'9', None) => usize::from(digit - b'0'),
            (digit @ b'0'..=b'9', Some(begun)) => {
                begun * 10 + usize::from(digit - b'0')
            }
            _ => return Err(io::Error::other("what came is no length")),
        };
        if sum > limit {
            return Err(io::Error::other("the length is too large"));
        }
        length = Some(sum);
    }
    if length.is_some() {
        return Err(io::Error::other("the length is cut off"));
    }
    Ok(None)
}
