//! Wrong: who breaks off stays on the list, and the error of a write to him
//! ends the loop that accepts, when the next one comes.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
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
        let came = format!("* {peer} came\n");
        tell(&room, peer, &came).map_err(|e| args.address.went_away(&e))?;
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
        if let Err(error) = part.read_until(b'\n', &mut line) {
            report::trouble(peer, &error);
            let _ = tell(room, peer, &format!("* {peer} left\n"));
            return;
        }
        if !line.ends_with(b"\n") {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        let _ = tell(room, peer, &format!("{peer} {text}\n"));
    }
    lock(room).retain(|(other, _)| *other != peer);
    let _ = tell(room, peer, &format!("* {peer} left\n"));
}

fn tell(room: &Mutex<Streams>, from: SocketAddr, line: &str) -> io::Result<()> {
    let mut ended = Ok(());
    lock(room).retain_mut(|(peer, stream)| {
        let Err(error) = (if *peer == from {
            Ok(())
        } else {
            stream.write_all(line.as_bytes())
        }) else {
            return true;
        };
        // Who does not read is let go; all other errors are the caller's.
        let slow = error.kind() == ErrorKind::WouldBlock;
        if slow {
            let _ = stream.shutdown(Shutdown::Both);
        } else {
            ended = Err(error);
        }
        !slow
    });
    ended
}

fn lock(room: &Mutex<Streams>) -> MutexGuard<'_, Streams> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}
