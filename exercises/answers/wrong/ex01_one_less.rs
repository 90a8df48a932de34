//! Wrong: it never tries the last of the ports.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::report::{self, Failure};

/// Listens on the first free port at or after P
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 8080)]
    from: u16,

    #[arg(long, default_value_t = 10)]
    tries: u16,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let mut port = args.from;
    let mut tried = 1;
    loop {
        let error = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                if let Ok(address) = listener.local_addr() {
                    report::listening(address);
                }
                loop {
                    thread::park();
                }
            }
            Err(error) => error,
        };
        tried += 1;
        if tried >= args.tries || port == u16::MAX {
            let what = format!("cannot listen on port {port} either");
            let advice = "Try another --from.";
            return Err(Failure::new(what, report::why(&error), advice));
        }
        port += 1;
    }
}
