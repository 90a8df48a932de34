//! Odd: one thread, no socket that blocks, and a list of visitors.
//!
//! Each turn of the loop lets in who waits, and hears who still talks. The
//! time goes out before anything is read. Ctrl-C ends it at its next turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown as Side, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

/// How long the loop rests when nothing happens.
const REST: Duration = Duration::from_millis(10);

/// How long a visitor is heard who does not leave.
const GRACE: Duration = Duration::from_millis(1500);

/// How many visitors are heard at once; the oldest has to go first.
const MOST: usize = 200;

/// Tells the time
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
    let stop = Shutdown::on_ctrl_c(None)?;
    listener.set_nonblocking(true).map_err(|error| {
        Failure::new("cannot poll", report::why(&error), "Use another.")
    })?;
    report::listening(address);

    let mut visitors: Vec<(TcpStream, Instant)> = Vec::new();
    while !stop.requested() {
        if let Ok(visitor) = welcome(&listener) {
            visitors.push((visitor, Instant::now()));
            if visitors.len() > MOST {
                visitors.remove(0);
            }
        } else {
            stop.pause(REST);
        }
        visitors.retain(|(visitor, since)| {
            since.elapsed() < GRACE && is_here(visitor)
        });
    }
    report::event(Tag::Stopped, "no more time");
    Ok(())
}

/// Lets one visitor in, sends the time, and ends our side.
fn welcome(listener: &TcpListener) -> io::Result<TcpStream> {
    let (mut visitor, _) = listener.accept()?;
    visitor.set_nonblocking(true)?;
    let unix = SystemTime::UNIX_EPOCH.elapsed().map_err(io::Error::other)?;
    let time = unix.as_secs().wrapping_add(0x83AA_7E80) & 0xFFFF_FFFF;
    let bytes = [24, 16, 8, 0].map(|shift| (time >> shift) & 0xFF);
    visitor.write_all(&bytes.map(|byte| u8::try_from(byte).unwrap_or(0)))?;
    visitor.shutdown(Side::Write)?;
    Ok(visitor)
}

/// Drops what the visitor says; false when it has ended or broken off.
fn is_here(mut visitor: &TcpStream) -> bool {
    match visitor.read(&mut [0; 16 * 1024]) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
