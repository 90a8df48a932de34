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
use first_socket::cli::{Address, PATIENCE};
use first_socket::deadline::Timed;
use first_socket::message;
use first_socket::report::{self, Failure, Printer};
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
    report::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: run
fn run(args: &Args) -> Result<(), Failure> {
    let connection = args.address.connect()?;
    let mut printer = Printer::default();
    if args.text.is_empty() {
        for line in io::stdin().lines() {
            let line = line.map_err(|error| {
                let advice = "Give lines of UTF-8 text.";
                Failure::new("cannot read stdin", report::why(&error), advice)
            })?;
            converse(&connection, &mut printer, args, &line)?;
        }
    }
    for text in &args.text {
        converse(&connection, &mut printer, args, text)?;
    }
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: converse
/// Sends one message, waits for its reply and prints it as a line.
fn converse(
    connection: &TcpStream,
    printer: &mut Printer,
    args: &Args,
    text: &str,
) -> Result<(), Failure> {
    let went_away = |error| args.address.went_away(&error);
    let mut timed = Timed::new(connection, PATIENCE);
    let sent = message::write(&mut timed, text.as_bytes());

    // Even if not all could be sent: the server may have said why.
    let reply = message::read(&mut timed, args.max_message);
    if let Ok(Some(reply)) = &reply {
        printer.print(reply)?;
        printer.print(b"\n")?;
    }
    sent.map_err(went_away)?;
    match reply {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(went_away(ErrorKind::UnexpectedEof.into())),
        Err(error) => Err(went_away(error.into())),
    }
}
// ANCHOR_END: converse
