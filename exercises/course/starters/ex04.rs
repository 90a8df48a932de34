//! ex04 · A log server. The task is in `README.md` beside `src/`.
//!
//! Run it: `cargo run -q -p ex04`
//! Check it: `cargo test -p ex04`

use std::process::ExitCode;

use clap::Parser;
use first_socket::backoff::Backoff;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};
use first_socket::flags::Address;
use first_socket::{ctrl_c, net};

/// Prints the log messages of many senders
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The longest message that is taken
    #[arg(long, value_name = "BYTES", default_value_t = 8192)]
    max_message: u64,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    ctrl_c::catch(Some(&listener), |_| ())?;
    events::listening(address);

    let mut backoff = Backoff::default();
    loop {
        match listener.accept() {
            // Ctrl-C wakes accept.
            _ if ctrl_c::stopping() => return Ok(()),
            Ok((stream, peer)) => {
                event("NEW CONNECTION", peer);
                // Your part: read the frames, none of them longer than the
                // limit, and print each message.
                let _ = args.max_message;
                drop(stream);
                event("CLOSED", peer);
            }
            Err(error) => backoff.pause(&error),
        }
    }
}
