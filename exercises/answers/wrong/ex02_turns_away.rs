//! Wrong: it closes without an answer when the client said something.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
        if let Err(error) = connection.and_then(|c| tell(&c)) {
            eprintln!("a client left early: {error}");
        }
    }
    Ok(())
}

fn tell(mut connection: &TcpStream) -> io::Result<()> {
    // The client sends nothing, says the RFC.
    connection.set_read_timeout(Some(Duration::from_millis(50)))?;
    if let Ok(1..) = connection.read(&mut [0; 64]) {
        eprintln!("a client does not know the protocol");
        return hang_up(connection);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(io::Error::other)?.as_secs();
    let [_, _, _, _, time @ ..] = (now + 2_208_988_800).to_be_bytes();
    connection.write_all(&time)?;
    hang_up(connection)
}
