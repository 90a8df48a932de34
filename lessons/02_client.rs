//! The client of lesson 02: connects, and prints what it hears until the
//! server closes the connection.
//!
//! `cargo run -q --bin 02_client`, while a server runs in another terminal.

// ANCHOR: imports
use std::io::{ErrorKind, Read};
use std::process::ExitCode;

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::escape::print;
use first_socket::flags::Address;
use first_socket::net;
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
    errors::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: connect
fn run(args: &Args) -> Result<(), Error> {
    let mut stream = net::connect(&args.address)?;
    let mut chunk = [0; CHUNK];
    // ANCHOR_END: connect
    // ANCHOR: read_loop
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => print(&chunk[..count])?,
            // Ctrl-Z and `fg` interrupt a read with a time-out: signal(7).
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(net::disconnected(&args.address, &error)),
        }
    }
}
// ANCHOR_END: read_loop
