//! Odd: the threads of the senders send all that is to be said through a
//! channel, and one thread says it: byte by byte, each with a flush. Errors go
//! to stdout and show what came of a cut message. A bad sender is reset: its
//! connection closes with unread bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::thread;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure};

/// Prints the log messages of many senders
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The longest message that is taken
    #[arg(long, default_value_t = 8192)]
    max_message: u64,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    let (lines, printer) = mpsc::channel::<String>();
    let print = move || {
        let mut out = io::stdout();
        for line in printer {
            for byte in line.bytes().chain(*b"\n") {
                let _ = out.write_all(&[byte]).and_then(|()| out.flush());
            }
        }
    };
    let _ = thread::Builder::new().spawn(print);
    let _ = lines.send(format!("[LISTENING] {address} over to you"));
    let limit = args.max_message;
    loop {
        let Ok((connection, peer)) = listener.accept() else { continue };
        let lines = lines.clone();
        let talk = move || {
            let peer = peer.to_string();
            if let Err(error) = receive(connection, &peer, limit, &lines) {
                let _ = lines.send(format!("[ERROR] {peer} {error}"));
            }
        };
        let _ = thread::Builder::new().spawn(talk);
    }
}

fn receive(
    mut connection: TcpStream,
    peer: &str,
    limit: u64,
    lines: &Sender<String>,
) -> io::Result<()> {
    while let Some(length) = header(&mut connection, limit)? {
        let mut message = Vec::new();
        (&connection).take(length).read_to_end(&mut message)?;
        let text = report::escaped(&message);
        if (message.len() as u64) < length {
            return Err(io::Error::other(format!("cut: {text}")));
        }
        let _ = lines.send(format!("[RECEIVED] {peer} {text}"));
    }
    Ok(())
}

/// The length, or `None` at the end.
fn header(connection: &mut TcpStream, limit: u64) -> io::Result<Option<u64>> {
    let mut length = None;
    loop {
        let mut byte = [0];
        if connection.read(&mut byte)? == 0 {
            let cut = Err(ErrorKind::UnexpectedEof.into());
            return if length.is_none() { Ok(None) } else { cut };
        }
        let digit = u64::from(byte[0].wrapping_sub(b'0'));
        length = match (byte[0], length) {
            (b' ', Some(_)) => return Ok(length),
            (b'1'..=b'9', None) => Some(digit),
            (b'0'..=b'9', Some(begun)) => Some(begun * 10 + digit),
            (other, _) => {
                return Err(io::Error::other(format!("bad byte {other}")));
            }
        };
        if length > Some(limit) {
            return Err(io::Error::other("too long"));
        }
    }
}
