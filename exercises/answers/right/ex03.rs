//! ex03 · A chat room: what one client says, all others hear.
//!
//! Two threads serve each client. One reads his lines and gives them to the
//! room; the other writes what the room has for him. Between them is a queue
//! of his own. Putting a line into a queue never waits, so nobody waits for a
//! client who does not read: when his queue is full, he is let go.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder};

use clap::Parser;
use first_socket::cli::{Address, Limits};
use first_socket::clients::{Client, Clients, FULL};
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

/// How many clients the room holds, and how long, in seconds, a write to one
/// may take. Silence has no limit: one may come to listen.
const LIMITS: Limits = Limits { max_clients: 100, timeout: 30 };

/// The most bytes that one read takes.
const CHUNK: usize = 4096;

/// The longest line, in bytes; a client who sends a longer one is let go.
const LONGEST_LINE: usize = 4096;

/// How many lines may wait for one client.
const QUEUE: usize = 4096;

/// The most waiting lines that leave together, in one write.
const BATCH: usize = 64;

/// A line as it is sent. The queues share its bytes.
type Line = Arc<[u8]>;

/// Brings what one client says to all others
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

    let full = format!("* {FULL}\n");
    let clients = Clients::new(&LIMITS, full.as_bytes(), &stop);
    let room = Room::default();
    clients.serve(listener, |client| visit(&room, client));
    report::event(Tag::Stopped, &clients);
    Ok(())
}

/// One visit: this thread reads, a second one writes.
fn visit(room: &Room, client: &Client<'_>) -> io::Result<()> {
    let (queue, lines) = mpsc::sync_channel(QUEUE);
    thread::scope(|scope| {
        Builder::new()
            .spawn_scoped(scope, move || write_lines(client, &lines))?;
        let seat = room.enter(client.peer, queue);
        // Then the seat is dropped, and with it the queue: the writer ends.
        read_lines(client, &seat)
    })
}

/// Writes what comes through the queue, until the room drops its end.
fn write_lines(client: &Client<'_>, lines: &Receiver<Line>) -> io::Result<()> {
    while let Ok(line) = lines.recv() {
        let mut bytes = line.to_vec();
        // Fewer and larger writes keep up with a crowd.
        for line in lines.try_iter().take(BATCH) {
            bytes.extend_from_slice(&line);
        }
        // An error drops `lines`: the room finds the queue closed.
        client.timed().write_all(&bytes)?;
    }
    Ok(())
}

/// Hands each line to the room, until the client leaves or is let go.
fn read_lines(client: &Client<'_>, seat: &Seat<'_>) -> io::Result<()> {
    let (mut chunk, mut begun) = ([0; CHUNK], Vec::new());
    while seat.is_kept() {
        match client.timed().read(&mut chunk) {
            // What has no line feed yet is not a message.
            Ok(0) => return Ok(()),
            Ok(count) => begun.extend_from_slice(&chunk[..count]),
            // He only listens. Look whether he has been let go.
            Err(error) if error.kind() == ErrorKind::TimedOut => continue,
            Err(error) => return Err(error),
        }
        // One read may bring a part of a line, or several lines.
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            seat.say(&begun[..end]);
            begun.drain(..=end);
        }
        if begun.len() > LONGEST_LINE {
            let text = format!("a line is over {LONGEST_LINE} bytes");
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
    }
    let text = "does not read, and has missed too much";
    Err(io::Error::new(ErrorKind::TimedOut, text))
}

/// Who is here, each with the queue to the thread that writes to him.
#[derive(Default)]
struct Room(Mutex<HashMap<SocketAddr, SyncSender<Line>>>);

impl Room {
    fn enter(&self, peer: SocketAddr, queue: SyncSender<Line>) -> Seat<'_> {
        self.change(|seats| seats.insert(peer, queue));
        let seat = Seat { room: self, peer };
        self.tell(peer, &format!("* {peer} came\n"));
        seat
    }

    /// Puts a line into every queue but that of `from`. A client whose queue
    /// is full or closed is let go, and the others are told that, too.
    fn tell(&self, from: SocketAddr, line: &str) {
        let mut news = vec![(from, Line::from(line.as_bytes()))];
        self.change(|seats| {
            while let Some((from, line)) = news.pop() {
                seats.retain(|&peer, queue| {
                    let keep = peer == from
                        || queue.try_send(Arc::clone(&line)).is_ok();
                    if !keep {
                        news.push((peer, left(peer).into_bytes().into()));
                    }
                    keep
                });
            }
        });
    }

    /// Holds the lock only while `work` runs; `work` must never wait.
    fn change<T>(
        &self,
        work: impl FnOnce(&mut HashMap<SocketAddr, SyncSender<Line>>) -> T,
    ) -> T {
        // After a panic the list is as good as before.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn left(peer: SocketAddr) -> String {
    format!("* {peer} left\n")
}

/// A client's place in the room. Dropping it tells the others that he left,
/// however the visit ends.
struct Seat<'a> {
    room: &'a Room,
    peer: SocketAddr,
}

impl Seat<'_> {
    fn is_kept(&self) -> bool {
        self.room.change(|seats| seats.contains_key(&self.peer))
    }

    /// Brings one line, without its line feed, to all others.
    fn say(&self, line: &[u8]) {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        // The line is whole, so no character is cut in two here.
        let text = String::from_utf8_lossy(text);
        self.room.tell(self.peer, &format!("{} {text}\n", self.peer));
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let seat = self.room.change(|seats| seats.remove(&self.peer));
        // If he was let go, they know already.
        if seat.is_some() {
            self.room.tell(self.peer, &left(self.peer));
        }
    }
}
