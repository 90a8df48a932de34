//! 03 · Threads: many visitors at once, of whom none waits for another.
//!
//! Terminal 1: `cargo run -q --bin 03_threads`
//! Terminal 2: `cargo run -q --bin 03_client`, then type; Ctrl-D ends it (on
//! Windows Ctrl-Z and Enter). A third terminal can do the same meanwhile.
//!
//! In the server's lines, `(1 of 50)` means: one of 50 places is taken.
//!
//! The accept loop, the threads and the limit are in `src/visitors.rs`: the
//! next lessons use them again.

// ANCHOR: uses
use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use first_socket::cli::{Address, Limits};
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;
use first_socket::visitors::{FULL, Visitor, Visitors};
// ANCHOR_END: uses

// ANCHOR: chunk_size
/// The most bytes that one read takes.
const CHUNK: usize = 1024;
// ANCHOR_END: chunk_size

// ANCHOR: flags
/// Sends back what each visitor says, to many visitors at once
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
    let visitors = Visitors::new(&args.limits, full.as_bytes(), &stop);
    // Accepts, starts a thread for each visitor, and calls `echo` there.
    visitors.serve(listener, echo);
    report::event(Tag::Stopped, &visitors);
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: echo
/// Sends back what a visitor says, byte for byte, until it ends its side.
fn echo(visitor: &Visitor<'_>) -> io::Result<()> {
    let mut chunk = [0; CHUNK];
    loop {
        // Each chunk has the whole time-out again: only silence is too long.
        let count = visitor.timed().read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        let bytes = &chunk[..count];
        let text = format!("{count} bytes: {}", report::shown(bytes));
        visitor.event(Tag::Received, text);

        visitor.timed().write_all(bytes)?;
    }
}
// ANCHOR_END: echo
