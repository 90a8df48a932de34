//! ex03 · A chat room: what one client says, all others hear.
//!
//! Two threads serve each client. One reads their lines and gives them to the
//! room; the other writes what the room has for them. Between them is a queue
//! for each client. Putting a line into a queue never waits, so nobody waits
//! for a client who does not read: when their queue is full, they are let go.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};

use clap::Parser;
use first_socket::backoff::Backoff;
use first_socket::connection::Connection;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};
use first_socket::flags::{Address, Limits};
use first_socket::server::Server;
use first_socket::{ctrl_c, net};

/// How many clients the room holds, and how long, in seconds, a write to one
/// may take. Silence has no limit: one may come to listen.
const LIMITS: Limits = Limits { max_clients: 100, timeout: 30 };

/// What one client too many hears.
const FULL: &[u8] = b"* Server is full.\n";

/// The most bytes that one read takes.
const CHUNK: usize = 4096;

/// The longest line, in bytes; a client who sends a longer one is let go.
const LONGEST_LINE: usize = 4096;

/// How many lines may wait for one client.
const QUEUE: usize = 1000;

/// A line as it is sent. The queues share it.
type Line = Arc<str>;

/// Brings what one client says to all others
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    let server = Server::new(&listener, &LIMITS)?;
    events::listening(address);
    accept_clients(listener, &server, &Room::default());
    event("STOPPED", server.totals());
    Ok(())
}

/// Gives each client a thread of their own, until Ctrl-C.
fn accept_clients(listener: TcpListener, server: &Server, room: &Room) {
    let mut backoff = Backoff::default();
    thread::scope(|scope| {
        loop {
            match listener.accept() {
                _ if ctrl_c::stopping() => break,
                Ok((stream, peer)) => {
                    // The same connection, for the thread that writes.
                    let out = stream.try_clone();
                    let client = server.enter(stream, peer);
                    let talk = |client: &mut _| visit(room, client, out);
                    let serve = move || client.serve(FULL, talk);
                    let thread = Builder::new().name(peer.to_string());
                    if thread.spawn_scoped(scope, serve).is_err() {
                        errors::no_thread(peer);
                    }
                }
                Err(error) => backoff.pause(&error),
            }
        }
        drop(listener);
    });
}

/// One visit: this thread reads, a second one writes.
fn visit(
    room: &Room,
    client: &mut Connection<'_>,
    out: io::Result<TcpStream>,
) -> io::Result<()> {
    let (peer, out) = (client.peer, out?);
    let (queue, lines) = mpsc::sync_channel(QUEUE);
    thread::scope(|scope| {
        Builder::new()
            .spawn_scoped(scope, move || write_lines(&out, &lines))?;
        room.enter(peer, queue);
        let ended = read_lines(room, client);
        room.leave(peer);
        ended
    })
}

/// Writes what comes through the queue, until the room drops its end.
fn write_lines(mut out: &TcpStream, lines: &Receiver<Line>) {
    for line in lines {
        if out.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    // Wakes the thread that reads: this client was let go, or is gone. On
    // Windows it finds that out at its next time-out.
    let _ = out.shutdown(Shutdown::Both);
}

/// Hands each line to the room, until the client leaves or is let go.
fn read_lines(room: &Room, client: &mut Connection<'_>) -> io::Result<()> {
    let (mut chunk, mut begun) = ([0; CHUNK], Vec::new());
    while room.holds(client.peer) {
        match client.read(&mut chunk) {
            // What has no line feed yet is not a message.
            Ok(0) => return Ok(()),
            Ok(count) => begun.extend_from_slice(&chunk[..count]),
            // They only listen.
            Err(error) if errors::is_timeout(&error) => continue,
            Err(error) => return Err(error),
        }
        // One read may bring a part of a line, or several lines.
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            room.say(client.peer, &begun[..end]);
            begun.drain(..=end);
        }
        if begun.len() > LONGEST_LINE {
            let text = format!("a line is over {LONGEST_LINE} bytes");
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
    }
    Err(io::Error::other("does not read, and has missed too much"))
}

/// Who is here, each with the queue to the thread that writes to them.
#[derive(Default)]
struct Room(Mutex<HashMap<SocketAddr, SyncSender<Line>>>);

impl Room {
    fn enter(&self, peer: SocketAddr, queue: SyncSender<Line>) {
        self.queues().insert(peer, queue);
        self.tell(peer, format!("* {peer} came\n"));
    }

    /// Without the queue, the thread that writes ends.
    fn leave(&self, peer: SocketAddr) {
        self.queues().remove(&peer);
        self.tell(peer, format!("* {peer} left\n"));
    }

    /// Whether the client has not been let go.
    fn holds(&self, peer: SocketAddr) -> bool {
        self.queues().contains_key(&peer)
    }

    /// Brings one line, without its line feed, to all others.
    fn say(&self, peer: SocketAddr, line: &[u8]) {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        // The line is whole, so no character is cut in two here.
        let text = String::from_utf8_lossy(text);
        self.tell(peer, format!("{peer} {text}\n"));
    }

    /// Puts a line into every queue but that of `from`. A client whose queue
    /// is full loses it, and with it the connection.
    fn tell(&self, from: SocketAddr, line: String) {
        let line = Line::from(line);
        self.queues().retain(|&peer, queue| {
            peer == from || queue.try_send(Arc::clone(&line)).is_ok()
        });
    }

    /// Takes the lock. Nobody waits for anything while they hold it.
    fn queues(&self) -> MutexGuard<'_, HashMap<SocketAddr, SyncSender<Line>>> {
        // After a panic the list is as good as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
