//! Wrong: it ends after ten clients.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use first_socket::cli::Address;
use first_socket::hang_up::hang_up;
use first_socket::report::{self, Failure};

/// Ten are enough to try it out.
const CLIENTS: usize = 10;

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
    for connection in listener.incoming().take(CLIENTS) {
        if let Err(error) = connection.and_then(|c| tell(&c)) {
            eprintln!("a client left early: {error}");
        }
    }
    Ok(())
}

fn tell(mut connection: &TcpStream) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(io::Error::other)?.as_secs();
    connection.write_all(&(now + 2_208_988_800).to_be_bytes()[4..])?;
    hang_up(connection)
}
