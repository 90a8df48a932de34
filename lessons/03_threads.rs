//! 03 · Threads: many clients at once, and none of them waits for another.
//!
//! Terminal 1: `cargo run -q --bin 03_threads`
//! Terminal 2: `cargo run -q --bin 03_client`, then type; Ctrl-D ends it (on
//! Windows Ctrl-Z and Enter). A third terminal can do the same meanwhile.
//!
//! In the server's lines, `(1 of 50)` means: 1 client is connected, and 50 may
//! be.

// ANCHOR: uses
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::thread::{self, Builder};

use clap::Parser;
use first_socket::backoff::Backoff;
use first_socket::connection::Connection;
use first_socket::errors::{self, Error};
use first_socket::escape::shown;
use first_socket::events::{self, event};
use first_socket::flags::{Address, Limits};
use first_socket::server::Server;
use first_socket::{ctrl_c, net};
// ANCHOR_END: uses

// ANCHOR: chunk_size
/// The most bytes that one read takes.
const CHUNK: usize = 1024;

/// What one client too many hears.
const FULL: &[u8] = b"Server is full.\r\n";
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
    errors::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: run
fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    let server = Server::new(&listener, &args.limits)?;
    events::listening(address);
    accept_clients(listener, &server);
    event("STOPPED", server.totals());
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: accept_clients
/// Gives each client a thread of its own, until Ctrl-C.
fn accept_clients(listener: TcpListener, server: &Server) {
    let mut backoff = Backoff::default();
    // The threads may borrow `server`: the scope waits for all of them.
    thread::scope(|scope| {
        loop {
            match listener.accept() {
                // Ctrl-C wakes accept.
                _ if ctrl_c::stopping() => break,
                Ok((stream, peer)) => {
                    let client = server.enter(stream, peer);
                    // It echoes; but one client too many only hears FULL.
                    let serve = move || client.serve(FULL, echo);
                    // Builder reports that no thread is left; spawn panics.
                    let builder = Builder::new().name(peer.to_string());
                    if builder.spawn_scoped(scope, serve).is_err() {
                        errors::no_thread(peer);
                    }
                }
                Err(error) => backoff.pause(&error),
            }
        }
        // No new clients, while the last ones are let go.
        drop(listener);
    });
}
// ANCHOR_END: accept_clients

// ANCHOR: echo
/// Sends back what a client says, byte for byte, until it ends its side.
fn echo(client: &mut Connection<'_>) -> io::Result<()> {
    let mut chunk = [0; CHUNK];
    loop {
        let count = client.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        let bytes = &chunk[..count];
        let text = format!("{count} bytes: {}", shown(bytes));
        client.event("RECEIVED", text);

        client.write_all(bytes)?;
    }
}
// ANCHOR_END: echo
