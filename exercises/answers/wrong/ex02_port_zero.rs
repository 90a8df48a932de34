//! Wrong: it prints the port from the flag, also when that is 0.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use first_socket::hang_up::hang_up;

/// Tells each client the time
#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    #[arg(long, default_value_t = 8080)]
    port: u16,
}

fn main() -> ExitCode {
    let Args { host, port } = Args::parse();
    let listener = match TcpListener::bind((host.as_str(), port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen on {host}:{port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("[LISTENING] {host}:{port}");
    for connection in listener.incoming() {
        if let Err(error) = connection.and_then(|c| tell(&c)) {
            eprintln!("a client left early: {error}");
        }
    }
    ExitCode::SUCCESS
}

fn tell(mut connection: &TcpStream) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(io::Error::other)?.as_secs();
    connection.write_all(&(now + 2_208_988_800).to_be_bytes()[4..])?;
    hang_up(connection)
}
