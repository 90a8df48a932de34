//! Odd: it listens after a second, and chatters on stdout and stderr all the
//! while, more than 200 KB each before and after `[LISTENING]`.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};

const BURST: usize = 5000;

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
    chatter(BURST);
    thread::sleep(Duration::from_secs(1));
    let (listener, address) = args.address.listen()?;
    report::event(Tag::Listening, address);
    chatter(BURST);
    let noise = || {
        loop {
            chatter(20);
            thread::sleep(Duration::from_millis(10));
        }
    };
    thread::scope(|scope| {
        let _ = thread::Builder::new().spawn_scoped(scope, noise);
        loop {
            let Ok((connection, peer)) = listener.accept() else { continue };
            let limit = args.max_message;
            let talk = move || {
                if let Err(error) = receive(&connection, peer, limit) {
                    report::trouble(peer, &error);
                }
            };
            let _ = thread::Builder::new().spawn_scoped(scope, talk);
        }
    })
}

fn chatter(lines: usize) {
    for number in 0..lines {
        let line = format!("[DEBUG] {number} nothing happens, as it should\n");
        let _ = io::stdout().lock().write_all(line.as_bytes());
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

fn receive(
    connection: &TcpStream,
    peer: SocketAddr,
    limit: usize,
) -> io::Result<()> {
    let mut input = BufReader::new(connection);
    let mut digits = String::new();
    let mut byte = [0];
    // The end inside a length is no message either: nothing to report.
    while input.read(&mut byte)? == 1 {
        if byte[0].is_ascii_digit() {
            digits.push(char::from(byte[0]));
        } else if byte[0] != b' ' || digits.is_empty() {
            return Err(io::Error::other("this is no length"));
        }
        let length = digits.parse().unwrap_or(usize::MAX);
        if length > limit || digits.starts_with('0') {
            return Err(io::Error::other("this length is not acceptable"));
        }
        if byte[0] == b' ' {
            let mut message = vec![0; length];
            input.read_exact(&mut message)?;
            let text = report::escaped(&message);
            report::event(Tag::Received, format_args!("{peer} {text}"));
            digits.clear();
        }
    }
    Ok(())
}
