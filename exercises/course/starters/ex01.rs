//! ex01 · The first free port. The task is in `README.md` beside `src/`.
//!
//! Run it: `cargo run -q -p ex01 -- --from 8080`
//! Check it: `cargo test -p ex01`

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::{ctrl_c, events};

/// Listens on the first free port at or after P
#[derive(Parser)]
struct Args {
    /// The first port to try
    #[arg(long, value_name = "P", default_value_t = 8080)]
    from: u16,

    /// How many ports to try
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    tries: u16,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    // This tries one port. Your part: try `args.tries` of them.
    let _ = args.tries;
    let listener = TcpListener::bind(("127.0.0.1", args.from))
        .map_err(|error| cannot_listen(args, &error))?;
    let bound =
        listener.local_addr().map_err(|error| cannot_listen(args, &error))?;

    ctrl_c::catch(None, |_| ())?;
    events::listening(bound);
    while !ctrl_c::stopping() {
        thread::park();
    }
    drop(listener);
    Ok(())
}

fn cannot_listen(args: &Args, error: &io::Error) -> Error {
    let what = format!("cannot listen on port {}", args.from);
    Error::new(what, error, "Begin elsewhere with --from.")
}
