//! 04 · Length prefix: TCP carries bytes without borders; a header makes
//! messages of them.
//!
//! Terminal 1: `cargo run -q --bin 04_length_prefix`
//! Terminal 2: `cargo run -q --bin 04_client "Hello Server!" "wörld"`
//!
//! What a message is, byte by byte, is in `src/message.rs`.

// ANCHOR: uses
use std::io;
use std::process::ExitCode;

use clap::Parser;
use first_socket::connection::Connection;
use first_socket::errors::{self, Error};
use first_socket::escape::shown;
use first_socket::events::{self, event};
use first_socket::flags::{Address, Limits};
use first_socket::server::Server;
use first_socket::{message, net};
// ANCHOR_END: uses

// ANCHOR: args
/// Answers the messages of many clients
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    #[command(flatten)]
    limits: Limits,

    /// The longest message that is accepted, without its header
    #[arg(long, value_name = "BYTES", default_value_t = message::DEFAULT_LIMIT)]
    max_message: u64,
}
// ANCHOR_END: args

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

    // The loop of lesson 03: a thread for each client.
    let full = message::framed(b"ERROR Server is full.");
    server.run(listener, &full, |client| {
        // A header that is refused is answered, then the connection closes.
        let ended = answer_all(client, args.max_message);
        client.set_deadline();
        message::answer_refusal(client, &ended);
        ended
    });
    event("STOPPED", server.totals());
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: answer_all
/// Answers one message after the other, until the client ends its side.
fn answer_all(client: &mut Connection<'_>, limit: u64) -> io::Result<()> {
    loop {
        // The time-out holds twice: until a message begins, and for all of it.
        client.set_deadline();
        let Some(body) = message::read(client, limit)? else {
            return Ok(());
        };
        client.event("RECEIVED", describe(&body));

        let reply = answer(&body);
        client.set_deadline();
        message::write(client, reply.as_bytes())?;
        client.event("SENT", describe(reply.as_bytes()));
    }
}
// ANCHOR_END: answer_all

// ANCHOR: answer
/// The reply to a message.
fn answer(body: &[u8]) -> String {
    // Only a whole body can be judged: a character may take several bytes,
    // and these may have come in several reads.
    match str::from_utf8(body) {
        Ok("Hello Server!") => "Hello Client!".to_owned(),
        Ok(text) => format!("You said: {text}"),
        Err(error) => {
            let place = error.valid_up_to();
            format!("ERROR byte {place} of the message is not UTF-8")
        }
    }
}
// ANCHOR_END: answer

// ANCHOR: describe
fn describe(body: &[u8]) -> String {
    format!("{} bytes: {}", body.len(), shown(body))
}
// ANCHOR_END: describe
