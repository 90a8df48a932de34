//! The client of lesson 03: says something and prints what comes back.
//!
//! `cargo run -q --bin 03_client hello world` says two lines and leaves;
//! `cargo run -q --bin 03_client` says each line that is typed, until the input
//! ends (Ctrl-D; on Windows Ctrl-Z and Enter).

// ANCHOR: uses
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use clap::Parser;
use first_socket::errors::{self, Error, is_timeout};
use first_socket::escape::print;
use first_socket::flags::Address;
use first_socket::net;
// ANCHOR_END: uses

// ANCHOR: limits
/// The most bytes that one read takes.
const CHUNK: usize = 1024;

/// When the server has closed: how long our last words may take.
const LAST_WORDS: Duration = Duration::from_millis(500);
// ANCHOR_END: limits

// ANCHOR: flags
/// Says lines to a server and prints what comes back
#[derive(Clone, Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// A line to say; if there is none, each line that is typed (stdin)
    text: Vec<String>,
}
// ANCHOR_END: flags

// ANCHOR: main
fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: run
fn run(args: &Args) -> Result<(), Error> {
    let advice = "Close some programs, and try again.";
    let stream = net::connect(&args.address)?;
    let failed = |error| Error::new("cannot start to speak", &error, advice);
    let clone = stream.try_clone().map_err(failed)?;

    // One thread speaks while this one listens: neither waits for the other.
    let words = args.clone();
    let speaker =
        Builder::new().spawn(move || speak(clone, &words)).map_err(failed)?;
    hear(stream, speaker, &args.address)
}
// ANCHOR_END: run

// ANCHOR: speak
/// Says it all, and ends our side.
fn speak(mut stream: TcpStream, args: &Args) -> Result<(), Error> {
    let said = say_all(&mut stream, args);
    // If this fails the connection is gone: the listening thread says so.
    let _ = stream.shutdown(Shutdown::Write);
    said
}

/// Says each text as a line, or each line of stdin.
fn say_all(stream: &mut TcpStream, args: &Args) -> Result<(), Error> {
    let disconnected = |error| net::disconnected(&args.address, &error);
    for text in &args.text {
        let line = format!("{text}\n");
        stream.write_all(line.as_bytes()).map_err(disconnected)?;
    }
    if !args.text.is_empty() {
        return Ok(());
    }
    let mut stdin = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let count = stdin.read_until(b'\n', &mut line).map_err(|error| {
            let advice = "Say it with arguments instead: 03_client hello.";
            Error::new("cannot read stdin", &error, advice)
        })?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&line).map_err(disconnected)?;
    }
}
// ANCHOR_END: speak

// ANCHOR: hear
/// Prints what the server says, until it closes the connection.
fn hear(
    mut stream: TcpStream,
    speaker: JoinHandle<Result<(), Error>>,
    address: &Address,
) -> Result<(), Error> {
    let mut chunk = [0; CHUNK];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => print(&chunk[..count])?,
            // Ctrl-Z and `fg` interrupt a read with a time-out: signal(7).
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Silence is no trouble while somebody may be typing.
            Err(error) if is_timeout(&error) && !speaker.is_finished() => {}
            Err(error) => return Err(net::disconnected(address, &error)),
        }
    }
    // The speaker may wait for the keyboard, and `join` would wait with it. If
    // all is said, it ends in a moment.
    let end = Instant::now() + LAST_WORDS;
    while !speaker.is_finished() && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    if speaker.is_finished()
        && let Ok(said) = speaker.join()
    {
        return said;
    }
    // We had more to say.
    Err(net::disconnected(address, &ErrorKind::UnexpectedEof.into()))
}
// ANCHOR_END: hear
