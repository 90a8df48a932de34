//! Wrong: it prints a message that the end of the connection has cut off.

use std::io::{self, BufRead, BufReader, Read};
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
        let length = read_length(&mut input, limit)?;
        if length == 0 {
            return Ok(());
        }
        let mut message = Vec::new();
        input.by_ref().take(length).read_to_end(&mut message)?;
        let text = report::escaped(&message);
        report::event(Tag::Received, format_args!("{peer} {text}"));
    }
}

/// Reads a length, or 0 when the sender has ended.
fn read_length(input: &mut impl BufRead, limit: usize) -> io::Result<u64> {
    let mut length = 0;
    for byte in input.bytes() {
        let byte = byte?;
        match byte {
            b' ' if length > 0 => return Ok(length),
            b'1'..=b'9' => {}
            b'0' if length > 0 => {}
            _ => return Err(io::Error::other("a length has digits")),
        }
        length = length * 10 + u64::from(byte - b'0');
        if length > limit as u64 {
            return Err(io::Error::other("a length has a limit"));
        }
    }
    if length > 0 {
        return Err(io::Error::other("a length has a space behind it"));
    }
    Ok(0)
}
