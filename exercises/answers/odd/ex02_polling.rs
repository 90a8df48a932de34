//! Odd: one thread, no socket that blocks, and a list of clients.
//!
//! Each turn of the loop lets in who waits, and hears who still talks. The
//! time goes out before anything is read. Ctrl-C ends it at its next turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown as Side, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};
use first_socket::flags::Address;
use first_socket::{ctrl_c, net};

/// How long the loop rests when nothing happens.
const REST: Duration = Duration::from_millis(10);

/// How long a client is heard who does not leave.
const GRACE: Duration = Duration::from_millis(1500);

/// How many clients are heard at once; the oldest has to go first.
const MOST: usize = 200;

/// Tells the time
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    ctrl_c::catch(None, |_| ())?;
    listener
        .set_nonblocking(true)
        .map_err(|error| Error::new("cannot poll", &error, "Use another."))?;
    events::listening(address);

    let mut clients: Vec<(TcpStream, Instant)> = Vec::new();
    while !ctrl_c::stopping() {
        if let Ok(client) = welcome(&listener) {
            clients.push((client, Instant::now()));
            if clients.len() > MOST {
                clients.remove(0);
            }
        } else {
            thread::sleep(REST);
        }
        clients.retain(|(client, since)| {
            since.elapsed() < GRACE && is_here(client)
        });
    }
    event("STOPPED", "no more time");
    Ok(())
}

/// Lets one client in, sends the time, and ends our side.
fn welcome(listener: &TcpListener) -> io::Result<TcpStream> {
    let (mut client, _) = listener.accept()?;
    client.set_nonblocking(true)?;
    let unix = SystemTime::UNIX_EPOCH.elapsed().map_err(io::Error::other)?;
    let time = unix.as_secs().wrapping_add(0x83AA_7E80) & 0xFFFF_FFFF;
    let bytes = [24, 16, 8, 0].map(|shift| (time >> shift) & 0xFF);
    client.write_all(&bytes.map(|byte| u8::try_from(byte).unwrap_or(0)))?;
    client.shutdown(Side::Write)?;
    Ok(client)
}

/// Drops what the client says; false when it has ended or broken off.
fn is_here(mut client: &TcpStream) -> bool {
    match client.read(&mut [0; 16 * 1024]) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
