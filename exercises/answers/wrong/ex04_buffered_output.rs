//! Wrong: it collects its lines in a `BufWriter` and flushes only when the
//! sender leaves.

use std::io::{self, BufReader, BufWriter, Read, Write};
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
    let mut out = BufWriter::new(io::stdout());
    let mut length = 0;
    let mut input = BufReader::new(connection);
    let mut byte = [0];
    while input.read(&mut byte)? > 0 {
        match byte[0] {
            b' ' if length > 0 => {
                let mut message = vec![0; length];
                input.read_exact(&mut message)?;
                let text = report::escaped(&message);
                writeln!(out, "[RECEIVED] {peer} {text}")?;
                length = 0;
            }
            b'0' if length == 0 => return Err(io::Error::other("a zero")),
            digit @ b'0'..=b'9' => {
                length = length * 10 + usize::from(digit - b'0');
            }
            _ => return Err(io::Error::other("not a length")),
        }
        if length > limit {
            return Err(io::Error::other("the length is over the limit"));
        }
    }
    if length > 0 {
        return Err(io::Error::other("cut inside a length"));
    }
    out.flush()
}
