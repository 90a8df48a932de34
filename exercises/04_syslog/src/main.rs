//! ex04 · A log server. The task is in `README.md` beside `src/`.
//!
//! Run it: `cargo run -q -p ex04`
//! Check it: `cargo test -p ex04`

use std::process::ExitCode;

use clap::Parser;
use first_socket::accept_retry::AcceptRetry;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

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
                // Your part: read the frames, none of them longer than the
                // limit, and print each message.
                let _ = args.max_message;
                drop(connection);
                report::event(Tag::Closed, peer);
            }
            Err(error) => retry.rest(&error, &stop),
        }
    }
}
