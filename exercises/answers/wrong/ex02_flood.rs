//! Wrong: each read has a limit, all of them together have none.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    // Nobody holds us up for more than half a second.
    connection.set_read_timeout(Some(Duration::from_millis(500)))?;
    match io::copy(&mut connection, &mut io::sink()) {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}
