//! ex02 · What time is it? A server for the Time Protocol, RFC 868.
//!
//! It serves one client after the other: it looks at the clock, sends four
//! bytes, and closes. A client who stays can hold up the others for as long
//! as `SEND_TIME` and the lingering close allow, less than two seconds in
//! all. A client's trouble is reported, and ends nothing but this visit.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use first_socket::backoff::Backoff;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};
use first_socket::flags::Address;
use first_socket::linger::lingering_close;
use first_socket::{ctrl_c, net};

/// Seconds from the beginning of 1900 to that of 1970: 70 years with 17 leap
/// days (RFC 868).
const FROM_1900_TO_1970: u64 = (70 * 365 + 17) * 24 * 60 * 60;

/// How long sending the time may take.
const SEND_TIME: Duration = Duration::from_millis(700);

/// Tells each client the time
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
    ctrl_c::catch(Some(&listener), |_| ())?;
    events::listening(address);

    let mut clients: u64 = 0;
    let mut backoff = Backoff::default();
    loop {
        match listener.accept() {
            // Ctrl-C wakes accept.
            _ if ctrl_c::stopping() => break,
            Ok((stream, peer)) => {
                clients += 1;
                event("NEW CONNECTION", peer);
                if let Err(error) = tell_time(&stream, peer) {
                    errors::log_error(peer, &error);
                }
                drop(stream);
                event("CLOSED", peer);
            }
            Err(error) => backoff.pause(&error),
        }
    }
    drop(listener);
    event("STOPPED", format!("clients served: {clients}"));
    Ok(())
}

/// Sends the time, all four bytes, and ends this connection.
fn tell_time(mut stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    // Without a clock we close and send nothing, as RFC 868 asks for.
    let time = seconds_since_1900()?;
    stream.set_write_timeout(Some(SEND_TIME))?;
    stream.write_all(&time.to_be_bytes())?;
    event("SENT", format_args!("{peer} {time}"));

    // A client may have said something. Closing over unread bytes would
    // reset the connection, and the time could be lost on its way.
    lingering_close(stream)
}

/// The time as it is sent: 32 bits, which begin again at zero in 2036.
fn seconds_since_1900() -> io::Result<u32> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_1970 = since_1970.map_err(io::Error::other)?.as_secs();
    let seconds = FROM_1900_TO_1970 + since_1970;
    // Of the eight bytes, the last four are the lowest 32 bits.
    let [_, _, _, _, lowest @ ..] = seconds.to_be_bytes();
    Ok(u32::from_be_bytes(lowest))
}
