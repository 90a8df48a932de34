//! Wrong: it waits for the client to say something first.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread::Builder;
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
        let started =
            connection.and_then(|c| Builder::new().spawn(move || answer(&c)));
        if let Err(error) = started {
            eprintln!("cannot serve a client: {error}");
        }
    }
    Ok(())
}

fn answer(connection: &TcpStream) {
    if let Err(error) = tell(connection) {
        eprintln!("a client left early: {error}");
    }
}

fn tell(mut connection: &TcpStream) -> io::Result<()> {
    let mut question = [0; 1024];
    let count = connection.read(&mut question)?;
    println!("[RECEIVED] {count} bytes");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(io::Error::other)?.as_secs();
    connection.write_all(&(now + 2_208_988_800).to_be_bytes()[4..])?;
    hang_up(connection)
}
