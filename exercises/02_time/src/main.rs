//! ex02 · What time is it? The task is in `README.md` beside `src/`.
//!
//! Run it: `cargo run -q -p ex02`
//! Check it: `cargo test -p ex02`

use std::process::ExitCode;

use clap::Parser;
use first_socket::accept_retry::AcceptRetry;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

/// Tells each client the time
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
                // Your part: send the time.
                drop(connection);
                report::event(Tag::Closed, peer);
            }
            Err(error) => retry.rest(&error, &stop),
        }
    }
}
