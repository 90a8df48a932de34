//! The client of lesson 04: sends messages and prints the replies.
//!
//! `cargo run -q --bin 04_client "Hello Server!"` sends one message;
//! `cargo run -q --bin 04_client` sends each line that is typed, until the
//! input ends (Ctrl-D; on Windows Ctrl-Z and Enter). A reply that says `ERROR`
//! is printed like any other.

// ANCHOR: uses
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::process::ExitCode;

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::escape::print;
use first_socket::flags::Address;
use first_socket::{message, net};
// ANCHOR_END: uses

// ANCHOR: args
/// Sends messages to a server and prints the replies
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    // A reply is the message and a little more.
    /// The longest reply that is accepted
    #[arg(long, value_name = "BYTES")]
    #[arg(default_value_t = 2 * message::DEFAULT_LIMIT)]
    max_message: u64,

    /// A message to send; if there is none, each line that is typed (stdin)
    text: Vec<String>,
}
// ANCHOR_END: args

// ANCHOR: main
fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: run
fn run(args: &Args) -> Result<(), Error> {
    let mut stream = net::connect(&args.address)?;
    if args.text.is_empty() {
        for line in io::stdin().lines() {
            let line = line.map_err(|error| {
                let advice = "Give lines of UTF-8 text.";
                Error::new("cannot read stdin", &error, advice)
            })?;
            ask(&mut stream, args, &line)?;
        }
    }
    for text in &args.text {
        ask(&mut stream, args, text)?;
    }
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: ask
/// Sends one message, waits for its reply and prints it as a line.
fn ask(stream: &mut TcpStream, args: &Args, text: &str) -> Result<(), Error> {
    let sent = message::write(stream, text.as_bytes());

    // Even if not all could be sent: the server may have said why.
    let heard = match message::read(stream, args.max_message) {
        Ok(Some(mut reply)) => {
            reply.push(b'\n');
            print(&reply)?;
            Ok(())
        }
        Ok(None) => Err(ErrorKind::UnexpectedEof.into()),
        Err(error) => Err(error),
    };
    // What went wrong first is what to report.
    sent.and(heard).map_err(|error| net::disconnected(&args.address, &error))
}
// ANCHOR_END: ask
