//! Wrong: it makes room for any length, without a limit, before a byte has
//! come.

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
    #[allow(dead_code, reason = "the mistake")]
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
        let talk = move || {
            if let Err(error) = receive(&connection, peer) {
                report::trouble(peer, &error);
            }
        };
        if let Err(error) = thread::Builder::new().spawn(talk) {
            report::trouble(peer, &error);
        }
    }
}

fn receive(connection: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    let mut input = BufReader::new(connection);
    while let Some(length) = read_length(&mut input)? {
        let mut message = vec![0; length];
        input.read_exact(&mut message)?;
        let text = report::escaped(&message);
        report::event(Tag::Received, format_args!("{peer} {text}"));
    }
    Ok(())
}

fn read_length(input: &mut impl BufRead) -> io::Result<Option<usize>> {
    let mut length = 0_usize;
    for byte in input.bytes() {
        let longer = match byte? {
            b' ' if length > 0 => return Ok(Some(length)),
            b'0' if length == 0 => None,
            digit @ b'0'..=b'9' => length
                .checked_mul(10)
                .and_then(|tens| tens.checked_add((digit - b'0').into())),
            _ => None,
        };
        length = longer.ok_or(io::Error::other("this is no length"))?;
    }
    let cut = Err(io::Error::other("the length is cut off"));
    if length == 0 { Ok(None) } else { cut }
}
