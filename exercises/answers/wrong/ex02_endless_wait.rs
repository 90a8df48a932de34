//! Wrong: it waits without a limit for the client to hang up.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use first_socket::cli::Address;
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
    connection.shutdown(Shutdown::Write)?;
    // Read what is left, so that the close does not reset the connection.
    io::copy(&mut connection, &mut io::sink())?;
    Ok(())
}
