//! 02 · Accept, send, close: one client at a time, for ever.
//!
//! Terminal 1: `cargo run -q --bin 02_accept_send_close`
//! Terminal 2: `cargo run -q --bin 02_client`

// ANCHOR: imports
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use first_socket::backoff::Backoff;
use first_socket::errors::{self, Error};
use first_socket::escape::shown;
use first_socket::events::{self, event};
use first_socket::flags::Address;
use first_socket::linger::lingering_close;
use first_socket::{ctrl_c, net};
// ANCHOR_END: imports

// ANCHOR: send_timeout
/// How long one write of the message may take. Ctrl-C waits for it, and for
/// the lingering close.
const SEND_TIMEOUT: Duration = Duration::from_millis(700);
// ANCHOR_END: send_timeout

// ANCHOR: args
/// Greets one client after the other
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// What every client hears
    #[arg(long, value_name = "TEXT", default_value = "Connection Established")]
    message: String,
}
// ANCHOR_END: args

// ANCHOR: main
fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: listen
fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    ctrl_c::catch(Some(&listener), |_| ())?;
    events::listening(address);
    // ANCHOR_END: listen

    // ANCHOR: accept_loop
    let message = format!("{}\r\n", args.message);
    let mut served: u64 = 0;
    let mut backoff = Backoff::default();
    loop {
        match listener.accept() {
            // Ctrl-C wakes accept.
            _ if ctrl_c::stopping() => break,
            Ok((mut stream, peer)) => {
                served += 1;
                event("NEW CONNECTION", peer);
                if let Err(error) = greet(&mut stream, peer, &message) {
                    errors::log_error(peer, &error);
                }
                // The listener is another socket, and stays open.
                drop(stream);
                event("CLOSED", peer);
            }
            Err(error) => backoff.pause(&error),
        }
    }
    // ANCHOR_END: accept_loop
    // ANCHOR: stop
    drop(listener);
    event("STOPPED", format!("clients served: {served}"));
    Ok(())
}
// ANCHOR_END: stop

// ANCHOR: greet
/// Sends the message, all of it, and ends this connection.
fn greet(
    stream: &mut TcpStream,
    peer: SocketAddr,
    message: &str,
) -> io::Result<()> {
    stream.set_write_timeout(Some(SEND_TIMEOUT))?;
    stream.write_all(message.as_bytes())?;
    let (count, text) = (message.len(), shown(message.as_bytes()));
    event("SENT", format_args!("{peer} {count} bytes: {text}"));

    lingering_close(stream)
}
// ANCHOR_END: greet
