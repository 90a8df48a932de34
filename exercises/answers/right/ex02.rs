//! ex02 · What time is it? A server for the Time Protocol, RFC 868.
//!
//! It serves one client after the other: it looks at the clock, sends four
//! bytes, and hangs up. A client who stays can hold up the others for as
//! long as `SEND_TIME` and the hang-up allow, two seconds in all. A
//! client's trouble is reported, and ends nothing but this visit.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use first_socket::accept_retry::AcceptRetry;
use first_socket::cli::Address;
use first_socket::deadline::Timed;
use first_socket::hang_up::hang_up;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

/// Seconds from the beginning of 1900 to that of 1970: 70 years with 17 leap
/// days (RFC 868).
const FROM_1900_TO_1970: u64 = (70 * 365 + 17) * 24 * 60 * 60;

/// How long sending the time may take.
const SEND_TIME: Duration = Duration::from_secs(1);

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
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    report::listening(address);

    let mut clients: u64 = 0;
    let mut retry = AcceptRetry::default();
    loop {
        match listener.accept() {
            // At Ctrl-C the program connects to itself, to wake accept.
            _ if stop.requested() => break,
            Ok((connection, peer)) => {
                clients += 1;
                report::event(Tag::NewConnection, peer);
                let ended = tell_time(connection, peer, &stop);
                if let Err(error) = ended {
                    report::trouble(peer, &error);
                }
                report::event(Tag::Closed, peer);
            }
            Err(error) => retry.rest(&error, &stop),
        }
    }
    drop(listener);
    report::event(Tag::Stopped, format!("clients served: {clients}"));
    Ok(())
}

/// Sends the time, all four bytes, and closes this connection.
fn tell_time(
    connection: TcpStream,
    peer: SocketAddr,
    stop: &Shutdown,
) -> io::Result<()> {
    // Without a clock we close and send nothing, as RFC 868 asks for.
    let time = seconds_since_1900()?;
    let mut timed = Timed::new(&connection, SEND_TIME).or_stop(stop);
    timed.write_all(&time.to_be_bytes())?;
    report::event(Tag::Sent, format_args!("{peer} {time}"));

    // A client may have said something. Closing over unread bytes would
    // reset the connection, and the time could be lost on its way.
    hang_up(&connection)?;
    drop(connection);
    Ok(())
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
