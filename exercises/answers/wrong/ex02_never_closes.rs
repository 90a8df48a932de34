//! Wrong: it keeps every connection open after the time is sent.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
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
    let mut clients = Vec::new();
    loop {
        match listener.accept() {
            Ok((client, peer)) => {
                if let Err(error) = tell(&client) {
                    report::trouble(peer, &error);
                }
                clients.push(client);
            }
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn tell(mut client: &TcpStream) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(io::Error::other)?.as_secs();
    let time = (now + 2_208_988_800).to_be_bytes();
    client.write_all(&time[4..])
}
