//! Wrong: does not tell the others who comes.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure};

/// The longest line; whoever sends more is let go.
const LONGEST: usize = 4096;

/// How many lines may wait for one client.
const QUEUE: usize = 4096;

/// How long one write may take.
const PATIENCE: Duration = Duration::from_secs(10);

type Seats = HashMap<SocketAddr, SyncSender<Vec<u8>>>;
type Room = Mutex<Seats>;

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
    let room = Arc::new(Room::default());
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let room = Arc::clone(&room);
        let visit = move || visit(&room, &stream, peer);
        let _ = Builder::new().spawn(visit);
    }
}

fn visit(room: &Room, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let (queue, lines) = mpsc::sync_channel::<Vec<u8>>(QUEUE);
    let mut out = stream.try_clone()?;
    Builder::new().spawn(move || {
        for line in lines {
            if out.write_all(&line).is_err() {
                break;
            }
        }
        // The thread that reads wakes up.
        let _ = out.shutdown(Shutdown::Both);
    })?;
    lock(room).insert(peer, queue);
    let ended = listen(room, stream, peer);
    lock(room).remove(&peer);
    tell(room, peer, format!("* {peer} left\n").as_bytes());
    ended
}

fn listen(
    room: &Room,
    mut stream: &TcpStream,
    peer: SocketAddr,
) -> io::Result<()> {
    let mut begun = Vec::new();
    let mut chunk = [0; 1024];
    while begun.len() <= LONGEST {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        begun.extend_from_slice(&chunk[..count]);
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=end).collect();
            let text = &line[..end];
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let before = format!("{peer} ");
            tell(room, peer, &[before.as_bytes(), text, b"\n"].concat());
        }
    }
    Ok(())
}

/// Whoever has missed too much loses the queue, and then the connection.
fn tell(room: &Room, from: SocketAddr, line: &[u8]) {
    lock(room).retain(|peer, queue| {
        *peer == from || queue.try_send(line.to_vec()).is_ok()
    });
}

fn lock(room: &Room) -> MutexGuard<'_, Seats> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}
