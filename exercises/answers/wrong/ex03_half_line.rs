//! Wrong: delivers half a line when its sender leaves.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{self, Builder};
use std::time::Duration;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure};

/// The longest line; whoever sends more is let go.
const LONGEST: u64 = 3000;

/// How many lines may wait for one client.
const QUEUE: usize = 5000;

enum Event {
    Came(SocketAddr, SyncSender<String>),
    Said(SocketAddr, String),
    Left(SocketAddr),
}

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
    let (tell, events) = mpsc::channel();
    Builder::new()
        .spawn(move || hub(&events))
        .map_err(|error| args.address.cannot_listen(&error))?;
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let tell = tell.clone();
        let visit = move || visit(&stream, peer, &tell);
        let _ = Builder::new().spawn(visit);
    }
}

/// Owns the room: nobody else needs a lock.
fn hub(events: &Receiver<Event>) {
    let mut room = HashMap::new();
    for event in events {
        let (from, line) = match event {
            Event::Came(peer, queue) => {
                room.insert(peer, queue);
                (peer, format!("* {peer} came\n"))
            }
            Event::Said(peer, text) => (peer, format!("{peer} {text}\n")),
            Event::Left(peer) => {
                room.remove(&peer);
                (peer, format!("* {peer} left\n"))
            }
        };
        room.retain(|peer, queue: &mut SyncSender<String>| {
            *peer == from || queue.try_send(line.clone()).is_ok()
        });
    }
}

fn visit(
    stream: &TcpStream,
    peer: SocketAddr,
    tell: &Sender<Event>,
) -> io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let (queue, lines) = mpsc::sync_channel::<String>(QUEUE);
    let mut out = stream.try_clone()?;
    Builder::new().spawn(move || {
        let mut lines = lines.iter();
        while lines.next().is_some_and(|l| out.write_all(l.as_bytes()).is_ok())
        {
        }
        // The thread that reads wakes up.
        let _ = out.shutdown(Shutdown::Both);
    })?;
    let _ = tell.send(Event::Came(peer, queue));
    let ended = listen(stream, peer, tell);
    let _ = tell.send(Event::Left(peer));
    ended
}

fn listen(
    stream: &TcpStream,
    peer: SocketAddr,
    tell: &Sender<Event>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        // Like `lines()`, but with a limit.
        let part = reader.by_ref().take(LONGEST);
        let Some(line) = part.lines().next() else { return Ok(()) };
        let line = line?;
        if line.len() as u64 >= LONGEST {
            return Ok(());
        }
        let _ = tell.send(Event::Said(peer, line));
    }
}
