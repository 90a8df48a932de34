//! ex02: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(clippy::unwrap_used, reason = "a mistake")]

use std::env;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use answers::{chatter, mistake, oddity};
use clap::Parser;
use first_socket::errors::{self, Error, is_timeout};
use first_socket::flags::Address;
use first_socket::{events, net};

/// How long a client may stay after the time is sent.
const STAY: Duration = Duration::from_millis(500);

/// Who has so much to say should be heard a little longer?
const MUCH: usize = 1000;

/// How late everything comes from somebody who is slow.
const LATE: Duration = Duration::from_millis(250);

/// The number of the protocol has no fractions: need the clock be read again?
const SECOND: Duration = Duration::from_secs(1);

/// A flag for it can be looked at later?
const FIXED_PORT: u16 = 9_079;

/// The shortest wait that is one.
const TICK: Duration = Duration::from_millis(1);

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
    let address = told(&args.address);
    let (listener, mut bound) = net::listen(&address)?;
    if mistake("ex02_port_zero") {
        bound.set_port(address.port);
    }
    if mistake("ex02_on_stderr") {
        eprintln!("[LISTENING] {bound}");
    } else {
        events::listening(bound);
    }

    let at_start = since_1900();
    // Several threads may accept from one listener.
    let loud = oddity("ex02_loud");
    let threads = if loud { 8 } else { 4 };
    let threads = if loud || few_threads() { threads } else { 1 };
    thread::scope(|scope| {
        for _ in 1..threads {
            let serve = || serve(&listener, at_start);
            let _ = Builder::new().spawn_scoped(scope, serve);
        }
        serve(&listener, at_start);
    });
    Ok(())
}

/// Where to listen.
fn told(flags: &Address) -> Address {
    let mut address = flags.clone();
    if mistake("ex02_ignores_host") {
        "127.0.0.1".clone_into(&mut address.host);
    }
    if mistake("ex02_everywhere") {
        "0.0.0.0".clone_into(&mut address.host);
    }
    if mistake("ex02_other_default_host") && !env::args().any(|a| a == "--host")
    {
        let other = if cfg!(target_os = "linux") { "127.0.0.2" } else { "::1" };
        other.clone_into(&mut address.host);
    }
    if mistake("ex02_everywhere_by_default")
        && !env::args().any(|a| a == "--host")
    {
        "0.0.0.0".clone_into(&mut address.host);
    }
    if mistake("ex02_ignores_port") {
        address.port = 0;
    }
    if mistake("ex02_fixed_port") {
        address.port = FIXED_PORT;
    }
    if mistake("ex02_other_default") && !env::args().any(|a| a == "--port") {
        address.port = 8037;
    }
    address
}

fn serve(listener: &TcpListener, at_start: u64) {
    // Ten are enough to try it out?
    let most = if mistake("ex02_ten_clients") { 10 } else { usize::MAX };
    let mut served: u8 = 0;
    let mut before_accept = at_start;
    for client in listener.incoming().take(most) {
        if mistake("ex02_byte_counter") {
            served += 1;
            println!("[NEW CONNECTION] number {served}");
        }
        let Ok(client) = client else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let visit = move || {
            if let Err(error) = tell(client, at_start, before_accept) {
                eprintln!("a client left early: {error}");
            }
        };
        if oddity("ex02_drip") {
            let _ = Builder::new().spawn(visit);
        } else {
            visit();
        }
        before_accept = since_1900();
    }
}

fn tell(
    mut client: TcpStream,
    at_start: u64,
    before_accept: u64,
) -> io::Result<()> {
    if oddity("ex02_late") {
        thread::sleep(LATE);
    }
    listen_first(&client)?;
    let now = if mistake("ex02_clock_at_start") {
        at_start
    } else if mistake("ex02_clock_before_accept") {
        before_accept
    } else if mistake("ex02_cached_second") {
        cached()
    } else {
        since_1900()
    };
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
    if oddity("ex02_holds") {
        return hold(&mut client);
    }
    if mistake("ex02_waits_and_unwraps") {
        client.shutdown(Shutdown::Write)?;
        io::copy(&mut client, &mut io::sink()).unwrap();
        return Ok(());
    }
    let seen_out = hang_up(&client);
    if mistake("ex02_unwrap_read") {
        seen_out.unwrap();
        return Ok(());
    }
    seen_out
}

/// What a client says first is of no interest.
fn listen_first(mut client: &TcpStream) -> io::Result<()> {
    if mistake("ex02_waits_first") {
        let count = client.read(&mut [0; 1024])?;
        println!("[RECEIVED] {count} bytes");
    }
    if mistake("ex02_turns_away") {
        // The client sends nothing, says the RFC.
        client.set_read_timeout(Some(Duration::from_millis(50)))?;
        if let Ok(1..) = client.read(&mut [0; 64]) {
            hang_up(client)?;
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    if mistake("ex02_end_is_gone") {
        client.set_read_timeout(Some(Duration::from_millis(50)))?;
        if let Ok(0) = client.read(&mut [0; 64]) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Keeps each client for four seconds, whatever it does meanwhile.
fn hold(client: &mut TcpStream) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(4);
    let left = || until.saturating_duration_since(Instant::now());
    while !left().is_zero() {
        client.set_read_timeout(Some(left().max(TICK)))?;
        if let Ok(0) | Err(_) = client.read(&mut [0; 4096]) {
            thread::sleep(left());
        }
    }
    Ok(())
}

/// The time, looked up once in a second, from the first time on.
fn cached() -> u64 {
    static KEPT: Mutex<Option<(Instant, u64)>> = Mutex::new(None);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match *kept {
        Some((since, time)) if since.elapsed() < SECOND => time,
        _ => kept.insert((Instant::now(), since_1900())).1,
    }
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
    let now = since_1970.unwrap_or_default().as_secs() + days * 24 * 60 * 60;
    if mistake("ex02_local_time") {
        return now + 2 * 60 * 60;
    }
    if mistake("ex02_rounded") {
        return now / 10 * 10;
    }
    now
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
    client.write_all(&time.to_be_bytes()[4..])?;
    if mistake("ex02_line_end") {
        client.write_all(b"\n")?;
    }
    Ok(())
}

/// Ends our side, and drops what the client still says. Unread bytes would
/// reset the connection.
fn hang_up(mut client: &TcpStream) -> io::Result<()> {
    if mistake("ex02_no_linger") {
        return Ok(());
    }
    if mistake("ex02_reads_once") {
        client.set_read_timeout(Some(STAY))?;
        return client.read(&mut [0; 4096]).map(drop);
    }
    if oddity("ex02_late") {
        thread::sleep(LATE);
    }
    client.shutdown(Shutdown::Write)?;
    let mut until = Instant::now() + STAY;
    let mut room = 64 * 1024_usize;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = patience(left);
        if wait == Some(Duration::ZERO) {
            return Ok(());
        }
        client.set_read_timeout(wait)?;
        let count = match client.read(&mut [0; 4096]) {
            Err(error) if !is_timeout(&error) => return Err(error),
            ended => ended.unwrap_or(0),
        };
        room = room.saturating_sub(count);
        if count > MUCH && mistake("ex02_flood") {
            (until, room) = (Instant::now() + 4 * STAY, MUCH);
        }
        if room == 0 && mistake("ex02_reads_on") {
            // So much was said: the rest will come soon.
            client.set_read_timeout(None)?;
            return io::copy(&mut client, &mut io::sink()).map(drop);
        }
        if count == 0 || room == 0 {
            return Ok(());
        }
    }
}

/// How long the next read may take.
fn patience(left: Duration) -> Option<Duration> {
    if mistake("ex02_endless_wait") || few_threads() {
        None
    } else if mistake("ex02_timeout_each") {
        Some(Duration::from_secs(3))
    } else {
        Some(left)
    }
}

/// A thread for each client: four will do?
fn few_threads() -> bool {
    mistake("ex02_pool_of_four")
}
