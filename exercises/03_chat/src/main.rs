//! ex03 · A chat room. The task is in `README.md` beside `src/`.
//!
//! Run it: `cargo run -q -p ex03`
//! Check it: `cargo test -p ex03`

use std::process::ExitCode;

use clap::Parser;
use first_socket::accept_retry::AcceptRetry;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

/// Brings what one client says to all others
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    report::listening(address);

    let mut retry = AcceptRetry::default();
    loop {
        match listener.accept() {
            _ if stop.requested() => return Ok(()),
            Ok((connection, peer)) => {
                report::event(Tag::NewConnection, peer);
                // Your part: let the client talk, and bring each line to
                // all others.
                drop(connection);
                report::event(Tag::Closed, peer);
            }
            Err(error) => retry.rest(&error, &stop),
        }
    }
}
