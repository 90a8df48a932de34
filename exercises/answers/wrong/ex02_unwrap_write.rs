//! Wrong: it unwraps the write, which fails when a client is gone already.
#![allow(clippy::unwrap_used, reason = "the mistake")]

use std::io::Write;
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use first_socket::cli::Address;
use first_socket::hang_up::hang_up;
use first_socket::report::{self, Failure};

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
    report::listening(address);
    for connection in listener.incoming() {
        match connection {
            Ok(connection) => tell(&connection),
            Err(error) => eprintln!("a client broke off: {error}"),
        }
    }
    Ok(())
}

fn tell(mut connection: &TcpStream) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let [_, _, _, _, time @ ..] = (now + 2_208_988_800).to_be_bytes();
    connection.write_all(&time).unwrap();
    // A client who is gone needs no goodbye.
    let _ = hang_up(connection);
}
