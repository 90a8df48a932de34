//! Wrong: it looks with a `bind` of its own, drops it, and binds again.

use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;

use clap::Parser;

/// Listens on the first free port at or after P
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 8080)]
    from: u16,

    #[arg(long, default_value_t = 10)]
    tries: u16,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let last = args.from.saturating_add(args.tries.saturating_sub(1));
    let Some(port) = (args.from..=last).find(|port| is_free(*port)) else {
        eprintln!("All ports from {} to {last} are taken.", args.from);
        return ExitCode::FAILURE;
    };
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_listener) => {
            println!("[LISTENING] 127.0.0.1:{port}");
            loop {
                thread::park();
            }
        }
        Err(error) => {
            eprintln!("cannot listen on port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
