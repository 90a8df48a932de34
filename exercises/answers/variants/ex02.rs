//! ex02: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(clippy::unwrap_used, reason = "a mistake")]

use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread::{self, Builder};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use answers::{chatter, mistake, oddity};
use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::flags::Address;
use first_socket::{events, net};

/// How long a client may stay after the time is sent.
const STAY: Duration = Duration::from_millis(500);

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
    if oddity("ex02_loud") {
        chatter();
    }
    if oddity("ex02_drip") {
        thread::sleep(Duration::from_secs(1));
    }
    let (listener, mut bound) = net::listen(&args.address)?;
    if mistake("ex02_port_zero") {
        bound.set_port(args.address.port);
    }
    events::listening(bound);

    let at_start = since_1900();
    // Several threads may accept from one listener.
    let threads = if oddity("ex02_loud") { 8 } else { 1 };
    thread::scope(|scope| {
        for _ in 1..threads {
            let serve = || serve(&listener, at_start);
            let _ = Builder::new().spawn_scoped(scope, serve);
        }
        serve(&listener, at_start);
    });
    Ok(())
}

fn serve(listener: &TcpListener, at_start: u64) {
    // Ten are enough to try it out?
    let most = if mistake("ex02_ten_clients") { 10 } else { usize::MAX };
    for client in listener.incoming().take(most) {
        let Ok(client) = client else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let visit = move || {
            if let Err(error) = tell(client, at_start) {
                eprintln!("a client left early: {error}");
            }
        };
        if oddity("ex02_drip") {
            let _ = Builder::new().spawn(visit);
        } else {
            visit();
        }
    }
}

fn tell(mut client: TcpStream, at_start: u64) -> io::Result<()> {
    if mistake("ex02_waits_first") {
        let count = client.read(&mut [0; 1024])?;
        println!("[RECEIVED] {count} bytes");
    }
    if mistake("ex02_turns_away") {
        // The client sends nothing, says the RFC.
        client.set_read_timeout(Some(Duration::from_millis(50)))?;
        if let Ok(1..) = client.read(&mut [0; 64]) {
            return hang_up(&client);
        }
    }
    let now = since_1900();
    let now = if mistake("ex02_clock_at_start") { at_start } else { now };
    let sent = send(&client, now);
    if mistake("ex02_unwrap_write") {
        sent.unwrap();
    } else {
        sent?;
    }
    if mistake("ex02_never_closes") {
        mem::forget(client);
        return Ok(());
    }
    hang_up(&client)
}

fn since_1900() -> u64 {
    let days = if mistake("ex02_epoch_1970") {
        0
    } else if mistake("ex02_leap_days") {
        // Every fourth year from 1900 to 1968 has a leap day?
        70 * 365 + 18
    } else {
        70 * 365 + 17
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.unwrap_or_default().as_secs() + days * 24 * 60 * 60
}

fn send(mut client: &TcpStream, time: u64) -> io::Result<()> {
    if mistake("ex02_eight_bytes") {
        return client.write_all(&time.to_be_bytes());
    }
    if mistake("ex02_little_endian") {
        return client.write_all(&time.to_le_bytes()[..4]);
    }
    if mistake("ex02_text") {
        let time = time % (1 << 32);
        return client.write_all(format!("{time}\r\n").as_bytes());
    }
    if oddity("ex02_drip") {
        client.set_nodelay(true)?;
        return time.to_be_bytes()[4..].iter().try_for_each(|byte| {
            thread::sleep(Duration::from_millis(20));
            client.write_all(&[*byte])
        });
    }
    client.write_all(&time.to_be_bytes()[4..])
}

/// Ends our side, and drops what the client still says. Unread bytes would
/// reset the connection.
fn hang_up(mut client: &TcpStream) -> io::Result<()> {
    client.shutdown(Shutdown::Write)?;
    let until = Instant::now() + STAY;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = if mistake("ex02_endless_wait") {
            None
        } else if mistake("ex02_flood") {
            // A limit for each read, and none for all of them.
            Some(Duration::from_millis(1200))
        } else if left.is_zero() {
            return Ok(());
        } else {
            Some(left)
        };
        client.set_read_timeout(wait)?;
        let Ok(1..) = client.read(&mut [0; 4096]) else { return Ok(()) };
    }
}
