//! Wrong: it leaves the judgement of a length to `parse`, which takes `+5` for
//! 5.

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
    let mut text = String::new();
    for byte in input.by_ref().bytes() {
        let byte = byte?;
        if byte == b' ' {
            let length = text.parse().map_err(io::Error::other)?;
            return Ok(Some(length));
        }
        text.push(byte.into());
        // No number has grown yet from a sign alone.
        let number = format!("{text}0").parse::<usize>();
        let begun = text.parse().unwrap_or(0);
        if number.is_err() || begun > limit || text.starts_with('0') {
            return Err(io::Error::other("bad length"));
        }
    }
    if !text.is_empty() {
        return Err(io::Error::other("the length is cut off"));
    }
    Ok(None)
}
