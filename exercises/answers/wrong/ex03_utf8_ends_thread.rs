//! Wrong: unwraps the text of a line: a byte that is not UTF-8 ends the thread,
//! and nobody is told that its client has left.

#![allow(clippy::unwrap_used, reason = "the mistake")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure};

/// The longest line; whoever sends more is let go.
const LONGEST: u64 = 5000;

/// Whoever takes nothing for so long is let go.
const PATIENCE: Duration = Duration::from_millis(100);

type Streams = Vec<(SocketAddr, TcpStream)>;

/// A chat room
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
    let room = Arc::new(Mutex::new(Streams::new()));
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(PATIENCE);
            continue;
        };
        let Ok(clone) = stream.try_clone() else { continue };
        let _ = stream.set_write_timeout(Some(PATIENCE));
        lock(&room).push((peer, stream));
        tell(&room, peer, &format!("* {peer} came\n"));
        let room = Arc::clone(&room);
        let visit = move || visit(&room, &clone, peer);
        let _ = Builder::new().spawn(visit);
    }
}

fn visit(room: &Mutex<Streams>, stream: &TcpStream, peer: SocketAddr) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let part = &mut reader.by_ref().take(LONGEST);
        if part.read_until(b'\n', &mut line).is_err() || !line.ends_with(b"\n")
        {
            break;
        }
        let line = str::from_utf8(&line).unwrap();
        tell(room, peer, &format!("{peer} {line}"));
    }
    lock(room).retain(|(other, _)| *other != peer);
    tell(room, peer, &format!("* {peer} left\n"));
}

fn tell(room: &Mutex<Streams>, from: SocketAddr, line: &str) {
    let mut room = lock(room);
    let line = format!("{}\n", line.trim_end_matches(['\r', '\n']));
    room.retain_mut(|(peer, stream)| {
        let told = *peer == from || stream.write_all(line.as_bytes()).is_ok();
        if !told {
            // The thread that reads wakes up, and tells that he left.
            let _ = stream.shutdown(Shutdown::Both);
        }
        told
    });
}

fn lock(room: &Mutex<Streams>) -> MutexGuard<'_, Streams> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}
