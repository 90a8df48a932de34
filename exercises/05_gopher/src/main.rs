//! ex05 · A Gopher server. The task is in `README.md` beside `src/`.
//!
//! Run it: `cargo run -q -p ex05 -- --dir exercises`
//! Check it: `cargo test -p ex05`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use first_socket::accept_retry::AcceptRetry;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

/// Shows a folder to clients who speak Gopher
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The folder that is shown
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
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
                // Your part: read the selector, and answer with a menu or a
                // file from the folder.
                let _ = &args.dir;
                drop(connection);
                report::event(Tag::Closed, peer);
            }
            Err(error) => retry.rest(&error, &stop),
        }
    }
}
