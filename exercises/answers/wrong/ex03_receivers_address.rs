//! Wrong: puts the address of each receiver before the line, instead of the
//! address of its sender.

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

/// Who says it.
enum Words<'a> {
    Ours(&'a str),
    Clients(&'a str),
}

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
        tell(&room, peer, &Words::Ours(&format!("* {peer} came\n")));
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
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        tell(room, peer, &Words::Clients(text));
    }
    lock(room).retain(|(other, _)| *other != peer);
    tell(room, peer, &Words::Ours(&format!("* {peer} left\n")));
}

fn tell(room: &Mutex<Streams>, from: SocketAddr, words: &Words<'_>) {
    lock(room).retain_mut(|(peer, stream)| {
        let line = match words {
            Words::Ours(line) => (*line).to_owned(),
            Words::Clients(text) => format!("{peer} {text}\n"),
        };
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
