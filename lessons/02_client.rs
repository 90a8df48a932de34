//! The client of lesson 02: connects, and prints what it hears until the
//! server closes the connection.
//!
//! `cargo run -q --bin 02_client`, while a server runs in another terminal.

// ANCHOR: imports
use std::io::Read;
use std::process::ExitCode;

use clap::Parser;
use first_socket::cli::{Address, PATIENCE};
use first_socket::deadline::Timed;
use first_socket::report::{self, Failure, Printer};
// ANCHOR_END: imports

// ANCHOR: chunk
/// The most bytes that one read takes.
const CHUNK: usize = 1024;
// ANCHOR_END: chunk

// ANCHOR: args
/// Prints what a server says, until it closes the connection
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}
// ANCHOR_END: args

// ANCHOR: main
fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: connect
fn run(args: &Args) -> Result<(), Failure> {
    let connection = args.address.connect()?;
    let mut printer = Printer::default();
    let mut chunk = [0; CHUNK];
    // ANCHOR_END: connect
    // ANCHOR: read_loop
    loop {
        let count = Timed::new(&connection, PATIENCE)
            .read(&mut chunk)
            .map_err(|error| args.address.went_away(&error))?;
        if count == 0 {
            return Ok(());
        }
        printer.print(&chunk[..count])?;
    }
}
// ANCHOR_END: read_loop
