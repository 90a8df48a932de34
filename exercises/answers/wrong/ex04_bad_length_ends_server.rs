//! Wrong: a `?` in `run` lets one bad length end the whole server.

use std::io::{self, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
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

type Lines = Sender<Result<String, Failure>>;

fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    report::listening(address);
    let (lines, printer) = mpsc::channel();
    let limit = args.max_message;
    let accept = move || accept_all(&listener, limit, &lines);
    if let Err(error) = thread::Builder::new().spawn(accept) {
        report::remark(Tag::Error, error);
    }
    for line in printer {
        report::event(Tag::Received, line?);
    }
    Ok(())
}

fn accept_all(listener: &TcpListener, limit: usize, lines: &Lines) {
    loop {
        let Ok((connection, peer)) = listener.accept() else { continue };
        let lines = lines.clone();
        let talk = move || {
            if let Err(error) = receive(&connection, peer, limit, &lines) {
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
    lines: &Lines,
) -> io::Result<()> {
    let (mut input, mut length) = (BufReader::new(connection), 0);
    let mut byte = [0];
    while input.read(&mut byte)? > 0 {
        if byte[0] == b' ' && length > 0 {
            let mut message = vec![0; length];
            input.read_exact(&mut message)?;
            let line = format!("{peer} {}", report::escaped(&message));
            let _ = lines.send(Ok(line));
            length = 0;
            continue;
        }
        let digit = usize::from(byte[0].wrapping_sub(b'0'));
        if digit < 10 {
            length = length * 10 + digit;
        }
        if digit > 9 || length == 0 || length > limit {
            let what = format!("{peer} sent a bad length");
            let bad = Failure::new(what, "it is none", "Tell the sender.");
            let _ = lines.send(Err(bad));
            return Ok(());
        }
    }
    if length > 0 {
        return Err(io::Error::other("cut inside a length"));
    }
    Ok(())
}
