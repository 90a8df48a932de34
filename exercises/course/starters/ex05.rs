//! ex05 · A Gopher server. The task is in `README.md` beside `src/`.
//!
//! Run it: `cargo run -q -p ex05 -- --dir exercises`
//! Check it: `cargo test -p ex05`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use first_socket::backoff::Backoff;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};
use first_socket::flags::Address;
use first_socket::{ctrl_c, net};

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
                // Your part: read the selector, and answer with a menu or a
                // file from the folder.
                let _ = &args.dir;
                drop(stream);
                event("CLOSED", peer);
            }
            Err(error) => backoff.pause(&error),
        }
    }
}
