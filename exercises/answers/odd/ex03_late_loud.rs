//! Odd: sleeps a second before it listens, prints all the while on stdout and
//! stderr, and 80 threads accept, each serving one client after the other.
//! The connections stand in one list; a write has a tenth of a second.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure};

/// How many threads accept: so many clients can be in the room.
const POOL: usize = 80;

/// The longest line; whoever sends more is let go.
const LONGEST: usize = 8000;

/// Whoever takes nothing for so long is let go.
const PATIENCE: Duration = Duration::from_millis(100);

type Room = Mutex<Vec<(SocketAddr, TcpStream)>>;

/// A chat room, late and loud
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let failed = |error: io::Error| args.address.cannot_listen(&error);
    // More than 200 KB before it listens, on each of the two.
    for turn in 0..3000 {
        println!("[STARTING] {turn:04} {}", "=".repeat(80));
        eprintln!("[STARTING] {turn:04} {}", "-".repeat(80));
    }
    thread::sleep(Duration::from_secs(1));
    let (listener, address) = args.address.listen()?;
    report::listening(address);
    let shared = Arc::new((listener, Room::default()));
    for _ in 0..POOL {
        let shared = Arc::clone(&shared);
        let serve = move || serve(&shared.0, &shared.1);
        Builder::new().spawn(serve).map_err(failed)?;
    }
    for turn in 0_u64.. {
        println!("[CLOCK] {turn:08} {}", "=".repeat(2000));
        eprintln!("[CLOCK] {turn:08} {}", "-".repeat(2000));
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn serve(listener: &TcpListener, room: &Room) {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => visit(room, stream, peer),
            Err(_) => thread::sleep(PATIENCE),
        }
    }
}

fn visit(room: &Room, stream: TcpStream, peer: SocketAddr) {
    if stream.set_write_timeout(Some(PATIENCE)).is_err() {
        return;
    }
    let Ok(mut reader) = stream.try_clone() else { return };
    lock(room).push((peer, stream));
    tell(room, peer, format!("* hello, {peer} came\n").as_bytes());

    let mut begun = Vec::new();
    let mut chunk = [0; 700];
    while let Ok(count @ 1..) = reader.read(&mut chunk) {
        begun.extend_from_slice(&chunk[..count]);
        let mut lines: Vec<_> = begun.split(|byte| *byte == b'\n').collect();
        let rest = lines.pop().unwrap_or_default().to_vec();
        for line in lines {
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            let before = format!("{peer} ");
            tell(room, peer, &[before.as_bytes(), text, b"\n"].concat());
        }
        begun = rest;
        if begun.len() > LONGEST {
            break;
        }
    }

    lock(room).retain(|(other, _)| *other != peer);
    tell(room, peer, format!("* good bye, {peer} left\n").as_bytes());
}

/// The lock keeps lines whole. Who is shut down here leaves by his own thread.
fn tell(room: &Room, from: SocketAddr, line: &[u8]) {
    lock(room).retain_mut(|(peer, stream)| {
        if *peer == from || stream.write_all(line).is_ok() {
            return true;
        }
        let _ = stream.shutdown(Shutdown::Both);
        false
    });
}

fn lock(room: &Room) -> MutexGuard<'_, Vec<(SocketAddr, TcpStream)>> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}
