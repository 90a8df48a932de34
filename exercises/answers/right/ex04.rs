//! ex04 · A log server: prints the messages of many senders.
//!
//! Each sender has a thread of its own. Its bytes pass through one buffer,
//! which lives as long as the connection: one read may bring a piece of a
//! frame, or several frames. The length comes first, byte by byte, and is
//! judged at each byte. Then come exactly so many bytes of message.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::process::ExitCode;

use clap::Parser;
use first_socket::connection::Connection;
use first_socket::errors::{self, Error};
use first_socket::escape::escaped;
use first_socket::events::{self, event};
use first_socket::flags::{Address, Limits};
use first_socket::message::cut;
use first_socket::net;
use first_socket::server::Server;

/// Senders are many, and mostly silent: one is gone after an hour, in seconds.
/// Each takes a file descriptor, and often a process may have only 1024.
const LIMITS: Limits = Limits { max_clients: 500, timeout: 60 * 60 };

/// Prints the log messages of many senders
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The longest message that is taken
    #[arg(long, value_name = "BYTES", default_value_t = 8192)]
    max_message: u64,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    let server = Server::new(&listener, &LIMITS)?;
    events::listening(address);

    // The server answers nothing, not even to a sender that it turns away.
    server.run(listener, b"", |client| receive(client, args.max_message));
    event("STOPPED", server.totals());
    Ok(())
}

/// Prints one message after the other, until the sender ends its side.
fn receive(client: &mut Connection<'_>, limit: u64) -> io::Result<()> {
    let mut input = BufReader::new(client);
    loop {
        // The time-out holds until a frame begins, and again for all of it.
        input.get_mut().set_deadline();
        if input.fill_buf()?.is_empty() {
            // Only here, between two frames, may the bytes end.
            return Ok(());
        }
        let length = read_length(&mut input, limit)?;
        let message = read_message(&mut input, length)?;
        // A line feed in it must not look like the end of our line.
        input.get_ref().event("RECEIVED", escaped(&message));
    }
}

/// Reads the length of a message, and the space behind it.
fn read_length(input: &mut impl BufRead, limit: u64) -> io::Result<u64> {
    let mut length = 0;
    for byte in input.bytes() {
        length = match byte? {
            b' ' if length > 0 => return Ok(length),
            // The first digit is not 0, so there is no empty message.
            b'0' if length == 0 => return Err(refusal("it begins with 0")),
            digit @ b'0'..=b'9' => append(length, digit, limit)
                .ok_or_else(|| refusal(&format!("it is over {limit}")))?,
            other => {
                let shown = escaped(&[other]);
                return Err(refusal(&format!("'{shown}' is no digit")));
            }
        };
    }
    let why = "the connection ended inside a length";
    Err(io::Error::new(ErrorKind::UnexpectedEof, why))
}

/// `length` with one more digit, unless that is over the limit. This also
/// ends a length whose digits never end.
fn append(length: u64, digit: u8, limit: u64) -> Option<u64> {
    let digit = u64::from(digit - b'0');
    let length = length.checked_mul(10)?.checked_add(digit)?;
    (length <= limit).then_some(length)
}

/// The error that closes the connection: nobody knows where the next frame
/// begins.
fn refusal(why: &str) -> io::Error {
    let why = format!("refused a message's length: {why}");
    io::Error::new(ErrorKind::InvalidData, why)
}

/// Reads exactly `length` bytes, in as many reads as it takes.
fn read_message(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    // A length is only a claim: the vector grows as the bytes come.
    let mut message = Vec::new();
    input.take(length).read_to_end(&mut message)?;
    let got = message.len() as u64;
    if got < length {
        return Err(cut("message", got, length));
    }
    Ok(message)
}
