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
use first_socket::accept_retry::AcceptRetry;
use first_socket::cli::Address;
use first_socket::deadline::Timed;
use first_socket::hang_up::hang_up;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;
// ANCHOR_END: imports

// ANCHOR: send_time
/// How long sending the message may take.
const SEND_TIME: Duration = Duration::from_secs(1);
// ANCHOR_END: send_time

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
    report::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: listen
fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    report::listening(address);
    // ANCHOR_END: listen

    // ANCHOR: accept_loop
    let message = format!("{}\r\n", args.message);
    let mut clients: u64 = 0;
    let mut retry = AcceptRetry::default();
    loop {
        match listener.accept() {
            // At Ctrl-C the program connects to itself, to wake accept.
            _ if stop.requested() => break,
            Ok((connection, peer)) => {
                clients += 1;
                report::event(Tag::NewConnection, peer);
                let ended = greet(connection, peer, &message, &stop);
                if let Err(error) = ended {
                    report::trouble(peer, &error);
                }
                report::event(Tag::Closed, peer);
            }
            Err(error) => retry.rest(&error, &stop),
        }
    }
    // ANCHOR_END: accept_loop
    // ANCHOR: stop
    drop(listener);
    report::event(Tag::Stopped, format!("clients served: {clients}"));
    Ok(())
}
// ANCHOR_END: stop

// ANCHOR: greet
/// Sends the message, all of it, and closes this connection.
fn greet(
    connection: TcpStream,
    peer: SocketAddr,
    message: &str,
    stop: &Shutdown,
) -> io::Result<()> {
    let mut timed = Timed::new(&connection, SEND_TIME).or_stop(stop);
    timed.write_all(message.as_bytes())?;
    let (count, text) = (message.len(), report::shown(message.as_bytes()));
    report::event(Tag::Sent, format_args!("{peer} {count} bytes: {text}"));

    hang_up(&connection)?;
    // The listener is another socket, and stays open.
    drop(connection);
    Ok(())
}
// ANCHOR_END: greet
