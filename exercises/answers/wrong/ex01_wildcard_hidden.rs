//! Wrong: it listens on 0.0.0.0, and prints 127.0.0.1 all the same.

use std::io;
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
    let mut ended = Err(io::ErrorKind::AddrInUse.into());
    for port in (args.from..=u16::MAX).take(args.tries.into()) {
        ended = TcpListener::bind(format!("0.0.0.0:{port}"));
        if ended.is_ok() {
            println!("[LISTENING] 127.0.0.1:{port}");
            break;
        }
    }
    if let Err(error) = ended {
        eprintln!("no free port: {error}");
        return ExitCode::FAILURE;
    }
    loop {
        thread::park();
    }
}
