//! Wrong: it tries one port more than it was told.

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
    let last = args.from.saturating_add(args.tries);
    for port in args.from..=last {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            keep(listener, port);
        }
    }
    eprintln!("All {} ports from {} on are taken.", args.tries, args.from);
    ExitCode::FAILURE
}

fn keep(_listener: TcpListener, port: u16) -> ! {
    println!("[LISTENING] 127.0.0.1:{port}");
    loop {
        thread::park();
    }
}
