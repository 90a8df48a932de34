//! Wrong: it counts 18 leap days between 1900 and 1970; 1900 had none.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use first_socket::cli::Address;
use first_socket::hang_up::hang_up;
use first_socket::report::{self, Failure};

/// 70 years; every fourth has a leap day, from 1900 to 1968.
const DIFFERENCE: u64 = (70 * 365 + 18) * 86_400;

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
        if let Err(error) = connection.and_then(|c| tell(&c)) {
            eprintln!("a client left early: {error}");
        }
    }
    Ok(())
}

fn tell(mut connection: &TcpStream) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = now.map_err(io::Error::other)?.as_secs() + DIFFERENCE;
    let [_, _, _, _, time @ ..] = time.to_be_bytes();
    connection.write_all(&time)?;
    hang_up(connection)
}
