//! The client of lesson 03: says something and prints what comes back.
//!
//! `cargo run -q --bin 03_client hello world` says two lines and leaves;
//! `cargo run -q --bin 03_client` says each line that is typed, until the input
//! ends (Ctrl-D; on Windows Ctrl-Z and Enter).

// ANCHOR: uses
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::Builder;
use std::time::Duration;

use clap::Parser;
use first_socket::cli::{Address, PATIENCE};
use first_socket::deadline::Timed;
use first_socket::report::{self, Failure, Printer};
// ANCHOR_END: uses

// ANCHOR: limits
/// The most bytes that one read takes.
const CHUNK: usize = 1024;

/// When the server has closed: how long the speaking thread may take to end.
const LAST_WORD: Duration = Duration::from_millis(500);
// ANCHOR_END: limits

// ANCHOR: flags
/// Says lines to a server and prints what comes back
#[derive(Parser, Clone)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// A line to say; if there is none, each line that is typed (stdin)
    text: Vec<String>,
}
// ANCHOR_END: flags

// ANCHOR: main
fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: connect
fn run(args: &Args) -> Result<(), Failure> {
    let connection = Arc::new(args.address.connect()?);
    let (tell, told) = mpsc::channel();
    // ANCHOR_END: connect

    // ANCHOR: speak
    // One thread speaks while this one listens: neither waits for the other.
    // It may outlive `run`, so it has its own share of what it needs.
    let (speaker, words) = (Arc::clone(&connection), args.clone());
    let speak = move || {
        let ended = say(&speaker, &words);
        // This ends our side; after a failure, both sides.
        let how = if ended.is_ok() { Shutdown::Write } else { Shutdown::Both };
        let _ = tell.send(ended);
        let _ = speaker.shutdown(how);
    };
    // ANCHOR_END: speak
    // ANCHOR: spawn
    Builder::new().spawn(speak).map_err(|error| {
        let why = report::why(&error);
        Failure::new(
            "cannot start a thread",
            why,
            "Close some programs, and try again.",
        )
    })?;
    listen(&connection, &told, &args.address)
}
// ANCHOR_END: spawn

// ANCHOR: say
/// Says each text as a line, or each line of stdin.
fn say(mut connection: &TcpStream, args: &Args) -> Result<(), Failure> {
    let went_away = |error| args.address.went_away(&error);
    for text in &args.text {
        let line = format!("{text}\n");
        connection.write_all(line.as_bytes()).map_err(went_away)?;
    }
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    while args.text.is_empty() {
        line.clear();
        let count = stdin.read_until(b'\n', &mut line).map_err(|error| {
            let why = report::why(&error);
            Failure::new(
                "cannot read stdin",
                why,
                "Say it with arguments instead: 03_client hello.",
            )
        })?;
        if count == 0 {
            break;
        }
        connection.write_all(&line).map_err(went_away)?;
    }
    Ok(())
}
// ANCHOR_END: say

// ANCHOR: listen
/// Prints what the server says, until it closes the connection.
fn listen(
    connection: &TcpStream,
    told: &Receiver<Result<(), Failure>>,
    address: &Address,
) -> Result<(), Failure> {
    let mut printer = Printer::default();
    let mut chunk = [0; CHUNK];
    // How speaking ended, once it has.
    let mut said = None;
    loop {
        match Timed::new(connection, PATIENCE).read(&mut chunk) {
            Ok(0) => {
                let said = said.or_else(|| told.recv_timeout(LAST_WORD).ok());
                let cut = address.went_away(&ErrorKind::UnexpectedEof.into());
                return said.unwrap_or(Err(cut));
            }
            Ok(count) => printer.print(&chunk[..count])?,
            // Silence is no trouble while somebody may be typing.
            Err(error)
                if error.kind() == ErrorKind::TimedOut && said.is_none() =>
            {
                said = told.try_recv().ok();
            }
            Err(error) => return Err(address.went_away(&error)),
        }
    }
}
// ANCHOR_END: listen
