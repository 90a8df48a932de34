//! The client of lesson 03: says something and prints what comes back.
//!
//! `cargo run --bin 03_client hello world` says two lines and leaves;
//! `cargo run --bin 03_client` says each line that is typed, until the input
//! ends (Ctrl-D; on Windows Ctrl-Z and Enter).

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::deadline::is_timeout;
use first_socket::report::{self, Failure, Printer};

/// At most so many bytes are read at once.
const CHUNK: usize = 1024;

/// Says lines to a server and prints what comes back
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// A line to say; without any, the lines of stdin are said
    text: Vec<String>,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let connection = Arc::new(args.address.connect()?);
    let all_said = Arc::new(AtomicBool::new(false));

    // One thread speaks while this one listens: neither waits for the other.
    let speak = {
        let (connection, all_said) = (connection.clone(), all_said.clone());
        let text = args.text.clone();
        move || match say(&connection, &text) {
            Ok(()) => {
                all_said.store(true, Ordering::SeqCst);
                // The server reads this as the end of what we say.
                connection.shutdown(Shutdown::Write)
            }
            Err(_) => connection.shutdown(Shutdown::Both),
        }
    };
    let speaker = Builder::new().spawn(speak).map_err(|error| {
        let why = report::why(&error);
        Failure::new("cannot start a thread", why, "Close some programs.")
    })?;

    let mut printer = Printer::default();
    let mut chunk = [0; CHUNK];
    let mut connection: &TcpStream = &connection;
    loop {
        let error = match connection.read(&mut chunk) {
            Ok(0) if all_said.load(Ordering::SeqCst) => return Ok(()),
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(count) => {
                printer.print(&chunk[..count])?;
                continue;
            }
            // Silence is no trouble while somebody may be typing.
            Err(error) if is_timeout(&error) && !speaker.is_finished() => {
                continue;
            }
            Err(error) => error,
        };
        return Err(Failure::went_away(&args.address, &error));
    }
}

/// Sends each text as a line, or all of stdin as it comes.
fn say(mut connection: &TcpStream, text: &[String]) -> io::Result<()> {
    if text.is_empty() {
        io::copy(&mut io::stdin(), &mut connection)?;
    }
    for line in text {
        connection.write_all(format!("{line}\n").as_bytes())?;
    }
    Ok(())
}
