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
use first_socket::cli::{Address, Limits};
use first_socket::clients::{Client, Clients, FULL};
use first_socket::message;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;
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
    report::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: run
fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    report::listening(address);

    let full = message::framed(format!("ERROR {FULL}").as_bytes());
    let clients = Clients::new(&args.limits, &full, &stop);
    clients.serve(listener, |client| {
        // A header that is refused is answered, then the connection closes.
        let ended = converse(client, args.max_message);
        message::answer_refusal(&mut client.timed(), ended)
    });
    report::event(Tag::Stopped, &clients);
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: converse
/// Answers one message after the other, until the client ends its side.
fn converse(client: &Client<'_>, limit: u64) -> io::Result<()> {
    loop {
        // The time-out holds twice: until a message begins, and for all of it.
        client.timed().wait()?;
        let body = message::read(&mut client.timed(), limit)?;
        let Some(body) = body else {
            return Ok(());
        };
        client.event(Tag::Received, describe(&body));

        let reply = answer(&body);
        message::write(&mut client.timed(), reply.as_bytes())?;
        client.event(Tag::Sent, describe(reply.as_bytes()));
    }
}
// ANCHOR_END: converse

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
    format!("{} bytes: {}", body.len(), report::shown(body))
}
// ANCHOR_END: describe
