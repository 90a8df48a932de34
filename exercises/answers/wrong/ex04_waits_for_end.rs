//! Wrong: it reads all that a sender says, up to the end of the connection, and
//! only then prints.

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
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes)?;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let length = take_length(&mut rest, limit)?;
        let Some((message, behind)) = rest.split_at_checked(length) else {
            return Err(io::Error::other("the message is cut off"));
        };
        let text = report::escaped(message);
        report::event(Tag::Received, format_args!("{peer} {text}"));
        rest = behind;
    }
    Ok(())
}

fn take_length(rest: &mut &[u8], limit: usize) -> io::Result<usize> {
    let mut length = 0;
    while let Some((&byte, behind)) = rest.split_first() {
        *rest = behind;
        match byte {
            b' ' if length > 0 => return Ok(length),
            b'0' if length == 0 => break,
            b'0'..=b'9' => length = length * 10 + usize::from(byte - b'0'),
            _ => break,
        }
        if length > limit {
            return Err(io::Error::other("the message is too long"));
        }
    }
    Err(io::Error::other("the length is none"))
}
