//! ex03: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "mistakes; and nothing else panics under the lock"
)]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Builder};
use std::time::Duration;

use answers::{chatter, mistake, oddity};
use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::flags::Address;
use first_socket::{events, net};
use socket2::SockRef;

/// The longest line; whoever sends more is let go.
const LONGEST: usize = 4096;

/// How many lines may wait for one client.
const QUEUE: usize = 400;

/// A client in the room, with the queue to the thread that writes to them.
struct Seat {
    peer: SocketAddr,
    stream: TcpStream,
    queue: SyncSender<Vec<u8>>,
}

type Room = Mutex<Vec<Seat>>;

/// A chat room
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    if oddity("ex03_late_loud") {
        chatter();
        thread::sleep(Duration::from_secs(1));
    }
    let (listener, bound) = net::listen(&args.address)?;
    events::listening(bound);
    let shared = Arc::new((listener, Room::default()));
    for _ in 1..pool() {
        let shared = Arc::clone(&shared);
        let _ = Builder::new().spawn(move || accept(&shared));
    }
    accept(&shared);
    Ok(())
}

/// How many threads serve one client after the other; with 0, each client has
/// a thread of their own.
fn pool() -> usize {
    if mistake("ex03_serial") {
        1
    } else if mistake("ex03_pool_ten") {
        10
    } else if oddity("ex03_late_loud") {
        80
    } else {
        0
    }
}

fn accept(shared: &Arc<(TcpListener, Room)>) {
    loop {
        let Ok((stream, peer)) = shared.0.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        // Also notices when the lock is poisoned.
        drop(lock(&shared.1));
        if mistake("ex03_serial_short") {
            // One after the other, each until they are silent for a moment.
            let silence = Some(Duration::from_millis(300));
            let _ = stream.set_read_timeout(silence);
            let _ = visit(&shared.1, &stream, peer);
        } else if pool() > 0 {
            let _ = visit(&shared.1, &stream, peer);
        } else {
            let shared = Arc::clone(shared);
            let visit = move || visit(&shared.1, &stream, peer);
            let _ = Builder::new().spawn(visit);
        }
    }
}

fn visit(room: &Room, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    enter(room, stream, peer)?;
    if !mistake("ex03_no_came") {
        tell(room, peer, "*", format!("{peer} came").as_bytes());
    }
    let ended = read_lines(room, stream, peer);
    let _ = stream.shutdown(Shutdown::Both);
    if ended.is_ok() {
        // Who broke off is found by the lines that cannot be sent to them.
        lock(room).retain(|seat| seat.peer != peer);
    }
    if ended.is_ok() || !mistake("ex03_left_orderly") {
        tell(room, peer, "*", format!("{peer} left").as_bytes());
    }
    ended
}

fn enter(room: &Room, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    if oddity("ex03_late_loud") {
        stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    } else {
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        // It is soon full, and shows which mistake waits for whom.
        SockRef::from(stream).set_send_buffer_size(32 * 1024)?;
    }
    let (queue, lines) = mpsc::sync_channel(QUEUE);
    let (out, stream) = (stream.try_clone()?, stream.try_clone()?);
    Builder::new().spawn(move || write_lines(&out, &lines))?;
    lock(room).push(Seat { peer, stream, queue });
    Ok(())
}

fn write_lines(mut out: &TcpStream, lines: &Receiver<Vec<u8>>) {
    let _ = out.set_nodelay(oddity("ex03_bytewise"));
    for line in lines {
        let all = line.len();
        let size = if oddity("ex03_bytewise") { 1 } else { all };
        if line.chunks(size).any(|piece| out.write_all(piece).is_err()) {
            break;
        }
    }
    // The thread that reads wakes up.
    let _ = out.shutdown(Shutdown::Both);
}

/// Hands out the lines of a client, until they leave.
fn read_lines(
    room: &Room,
    mut stream: &TcpStream,
    peer: SocketAddr,
) -> io::Result<()> {
    let (mut begun, mut chunk) = (Vec::new(), [0; 1024]);
    while begun.len() <= LONGEST {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            if mistake("ex03_half_line") && !begun.is_empty() {
                // As `BufRead::lines` does.
                say(room, peer, &begun);
            }
            break;
        }
        let news = &chunk[..count];
        if mistake("ex03_chunks") {
            say(room, peer, news.trim_ascii_end());
            continue;
        }
        if mistake("ex03_lossy_chunks") {
            // Each piece for itself; a character is cut in two for certain.
            let texts = news.chunks(1).map(String::from_utf8_lossy);
            begun.extend(texts.collect::<String>().bytes());
        } else {
            begun.extend_from_slice(news);
        }
        say_lines(room, peer, &mut begun);
    }
    Ok(())
}

/// Takes the lines that are whole.
fn say_lines(room: &Room, peer: SocketAddr, begun: &mut Vec<u8>) {
    while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = begun.drain(..=end).collect();
        say(room, peer, &line[..end]);
        if mistake("ex03_first_line") {
            begun.clear();
        }
    }
}

fn say(room: &Room, peer: SocketAddr, line: &[u8]) {
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    if mistake("ex03_utf8_ends_thread") {
        // The thread panics, and nobody hears that its client has left.
        str::from_utf8(text).unwrap();
    }
    let mut name = peer.to_string();
    if mistake("ex03_no_address") {
        name.clear();
    }
    tell(room, peer, &name, text);
}

/// Gives a line to all but one. Whoever has missed too much, or is gone, loses
/// the queue, and then the connection.
fn tell(room: &Room, except: SocketAddr, name: &str, text: &[u8]) {
    if mistake("ex03_mixed_lines") {
        return write_parts(room, except, name, text);
    }
    let mut seats = lock(room);
    if mistake("ex03_invalid_utf8") {
        // Under the lock: then nobody gets it any more.
        str::from_utf8(text).unwrap();
    }
    seats.retain(|seat| {
        if seat.peer == except && !mistake("ex03_echo_sender") {
            return true;
        }
        let own = seat.peer.to_string();
        let received = mistake("ex03_receivers_address") && name != "*";
        let name = if received { &own } else { name };
        let line = [name.as_bytes(), b" ", text, line_end()].concat();
        deliver(seat, line)
    });
}

fn line_end() -> &'static [u8] {
    if oddity("ex03_bytewise") { b"\r\n" } else { b"\n" }
}

/// Returns whether the client stays.
fn deliver(seat: &Seat, line: Vec<u8>) -> bool {
    if mistake("ex03_slow_reader") || oddity("ex03_late_loud") {
        // Under the lock. The mistake is to do so without a short time-out.
        return (&seat.stream).write_all(&line).is_ok();
    }
    if mistake("ex03_slow_queue") {
        return seat.queue.send(line).is_ok();
    }
    let ended = seat.queue.try_send(line);
    let slow = matches!(ended, Err(TrySendError::Full(_)));
    if mistake("ex03_dead_write_ends_server") && !slow {
        // Under the lock, which the thread that accepts takes, too.
        ended.unwrap();
        return true;
    }
    ended.is_ok()
}

/// Writes a line in its parts, and without the lock.
fn write_parts(room: &Room, except: SocketAddr, name: &str, text: &[u8]) {
    let seats = lock(room);
    let others = seats.iter().filter(|seat| seat.peer != except);
    let streams = others.filter_map(|seat| seat.stream.try_clone().ok());
    let streams: Vec<_> = streams.collect();
    drop(seats);
    for mut stream in streams {
        for part in [name.as_bytes(), b" ", text, b"\n"] {
            let _ = stream.write_all(part);
        }
    }
}

fn lock(room: &Room) -> MutexGuard<'_, Vec<Seat>> {
    room.lock().unwrap()
}
