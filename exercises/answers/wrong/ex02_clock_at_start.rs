//! Wrong: it looks at the clock once, when it starts.

use std::io::{self, Write};
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let [_, _, _, _, time @ ..] = (now + 2_208_988_800).to_be_bytes();
    for connection in listener.incoming() {
        if let Err(error) = connection.and_then(|c| tell(&c, time)) {
            eprintln!("a client left early: {error}");
        }
    }
    Ok(())
}

fn tell(mut connection: &TcpStream, time: [u8; 4]) -> io::Result<()> {
    connection.write_all(&time)?;
    hang_up(connection)
}
