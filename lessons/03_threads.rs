//! 03 · Threads: many clients at once, of whom none waits for another.
//!
//! Terminal 1: `cargo run -q --bin 03_threads`
//! Terminal 2: `cargo run -q --bin 03_client`, then type; Ctrl-D ends it (on
//! Windows Ctrl-Z and Enter). A third terminal can do the same meanwhile.
//!
//! In the server's lines, `(1 of 50)` means: one of 50 places is taken.
//!
//! The accept loop, the threads and the limit are in `src/clients.rs`: the
//! next lessons use them again.

// ANCHOR: uses
use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use first_socket::cli::{Address, Limits};
use first_socket::clients::{Client, Clients, FULL};
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;
// ANCHOR_END: uses

// ANCHOR: chunk_size
/// The most bytes that one read takes.
const CHUNK: usize = 1024;
// ANCHOR_END: chunk_size

// ANCHOR: flags
/// Sends back what each client says, to many clients at once
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    #[command(flatten)]
    limits: Limits,
}
// ANCHOR_END: flags

// ANCHOR: main
fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: run
fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    report::listening(address);

    let full = format!("{FULL}\r\n");
    let clients = Clients::new(&args.limits, full.as_bytes(), &stop);
    // Accepts, starts a thread for each client, and calls `echo` there.
    clients.serve(listener, echo);
    report::event(Tag::Stopped, &clients);
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: echo
/// Sends back what a client says, byte for byte, until it ends its side.
fn echo(client: &Client<'_>) -> io::Result<()> {
    let mut chunk = [0; CHUNK];
    loop {
        // Each chunk has the whole time-out again: only silence is too long.
        let count = client.timed().read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        let bytes = &chunk[..count];
        let text = format!("{count} bytes: {}", report::shown(bytes));
        client.event(Tag::Received, text);

        client.timed().write_all(bytes)?;
    }
}
// ANCHOR_END: echo
