//! ex03 · A chat room. The task is in `README.md` beside `src/`.
//!
//! Run it: `cargo run -q -p ex03`
//! Check it: `cargo test -p ex03`

use std::process::ExitCode;

use clap::Parser;
use first_socket::backoff::Backoff;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};
use first_socket::flags::Address;
use first_socket::{ctrl_c, net};

/// Brings what one client says to all others
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
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
                // Your part: let the client talk, and bring each line to
                // all others.
                drop(stream);
                event("CLOSED", peer);
            }
            Err(error) => backoff.pause(&error),
        }
    }
}
