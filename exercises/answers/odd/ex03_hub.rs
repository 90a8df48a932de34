//! Odd: one thread owns the room and hears of everything through a channel;
//! a client's queue has no end, only a count. No Ctrl-C handling.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Builder};
use std::time::Duration;

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::flags::Address;
use first_socket::{events, net};

/// A longer line is dropped, with all of its pieces; its sender stays.
const LONGEST: u64 = 1002;

/// How many bytes may wait for one client before he is let go.
const WAITING: usize = 4 * 1024 * 1024;

/// A chat room with one thread in its middle
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

enum Event {
    Came(SocketAddr, TcpStream),
    Said(SocketAddr, Vec<u8>),
    Left(SocketAddr),
}

struct Guest {
    stream: TcpStream,
    queue: Sender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    events::listening(address);
    let (tell, events) = mpsc::channel();
    Builder::new()
        .spawn(move || hub(&events))
        .map_err(|error| net::cannot_listen(&args.address, &error))?;
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let tell = tell.clone();
        let _ = Builder::new().spawn(move || {
            if let Ok(clone) = stream.try_clone() {
                let _ = tell.send(Event::Came(peer, clone));
                let _ = read(&stream, peer, &tell);
                let _ = tell.send(Event::Left(peer));
            }
        });
    }
}

fn read(
    stream: &TcpStream,
    peer: SocketAddr,
    tell: &Sender<Event>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut whole = true;
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let ends = line.pop_if(|byte| *byte == b'\n').is_some();
        if ends && whole {
            line.pop_if(|byte| *byte == b'\r');
            let _ = tell.send(Event::Said(peer, line));
        }
        whole = ends;
    }
}

fn hub(events: &Receiver<Event>) {
    let mut room = HashMap::new();
    for event in events {
        let (from, line) = match event {
            Event::Came(peer, stream) => {
                if let Ok(guest) = seat(stream) {
                    room.insert(peer, guest);
                }
                (peer, format!("* {peer} came in\n").into_bytes())
            }
            Event::Said(peer, text) => {
                let before = format!("{peer} ").into_bytes();
                (peer, [before, text, b"\n".to_vec()].concat())
            }
            Event::Left(peer) => {
                if let Some(guest) = room.remove(&peer) {
                    let _ = guest.stream.shutdown(Shutdown::Both);
                }
                (peer, format!("* {peer} went away\n").into_bytes())
            }
        };
        for (peer, guest) in &room {
            if *peer != from {
                hear(guest, &line);
            }
        }
    }
}

fn hear(guest: &Guest, line: &[u8]) {
    let before = guest.waiting.fetch_add(line.len(), Ordering::SeqCst);
    if before > WAITING || guest.queue.send(line.to_vec()).is_err() {
        // The thread that reads wakes up, and reports that he left.
        let _ = guest.stream.shutdown(Shutdown::Both);
    }
}

fn seat(stream: TcpStream) -> io::Result<Guest> {
    let (queue, lines) = mpsc::channel::<Vec<u8>>();
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut out = stream.try_clone()?;
    let count = Arc::clone(&waiting);
    Builder::new().spawn(move || {
        for line in lines {
            if out.write_all(&line).is_err() {
                break;
            }
            count.fetch_sub(line.len(), Ordering::SeqCst);
        }
    })?;
    Ok(Guest { stream, queue, waiting })
}
