//! ex03: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "mistakes; and nothing else panics under the lock"
)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use answers::{chatter, mistake, oddity, started_as};
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
    queue: SyncSender<(Instant, Vec<u8>)>,
    /// What comes before the next line.
    begun: Vec<u8>,
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
    let mut address = args.address.clone();
    if mistake("ex03_ignores_host") {
        "127.0.0.1".clone_into(&mut address.host);
    }
    if mistake("ex03_all_addresses") && address.host == "127.0.0.1" {
        "0.0.0.0".clone_into(&mut address.host);
    }
    if mistake("ex03_ignores_port") {
        address.port = 0;
    }
    let (listener, bound) = net::listen(&address)?;
    if mistake("ex03_prints_port_asked") {
        println!("[LISTENING] {}", args.address);
    } else if mistake("ex03_no_brackets") {
        println!("[LISTENING] {}:{}", bound.ip(), bound.port());
    } else {
        events::listening(bound);
    }
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

/// How many clients are in the room, or on their way.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody new is turned away.
fn is_refused(mut stream: &TcpStream, served: usize) -> bool {
    if mistake("ex03_255_clients") && served > u8::MAX.into() {
        return true;
    }
    let full = INSIDE.load(SeqCst) >= room_for();
    full && {
        let _ = stream.write_all(b"The room is full.\n");
        true
    }
}

/// How many clients the room holds.
fn room_for() -> usize {
    if mistake("ex03_room_for_49") {
        49
    } else if oddity("ex03_room_for_50") {
        50
    } else if started_as("ex03_reset_keeps_seat") {
        60
    } else {
        usize::MAX
    }
}

fn accept(shared: &Arc<(TcpListener, Room)>) {
    let mut served = 0;
    loop {
        let Ok((stream, peer)) = shared.0.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        served += 1;
        if is_refused(&stream, served) {
            continue;
        }
        INSIDE.fetch_add(1, SeqCst);
        if mistake("ex03_reset_ends_server") && stream.peer_addr().is_err() {
            return;
        }
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
            let visit = move || stay(&shared.1, &stream, peer);
            let _ = Builder::new().spawn(visit);
        }
    }
}

/// A visit, and whoever ends it gives the seat back.
fn stay(room: &Room, stream: &TcpStream, peer: SocketAddr) {
    let ended = visit(room, stream, peer);
    if ended.is_ok() || !mistake("ex03_reset_keeps_seat") {
        INSIDE.fetch_sub(1, SeqCst);
    }
}

fn visit(room: &Room, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    late();
    enter(room, stream, peer)?;
    if mistake("ex03_came_nameless") {
        tell(room, peer, "*", b"somebody came");
    } else if !mistake("ex03_no_came") {
        tell(room, peer, "*", format!("{peer} came").as_bytes());
    }
    let ended = read_lines(room, stream, peer);
    late();
    if ended.is_ok() && mistake("ex03_half_close_stays") {
        // Until they have closed all of the connection.
        let mut out = stream;
        while out.write_all(b"\n").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    }
    leave(room, peer, ended.is_ok());
    if !mistake("ex03_no_left")
        && (ended.is_ok() || !mistake("ex03_left_orderly"))
        && !lock(&LET_GO).contains(&peer)
    {
        tell(room, peer, "*", format!("{peer} left").as_bytes());
    }
    let _ = stream.shutdown(Shutdown::Both);
    ended
}

/// Those whose leaving nobody hears of.
static LET_GO: Mutex<Vec<SocketAddr>> = Mutex::new(Vec::new());

fn leave(room: &Room, peer: SocketAddr, orderly: bool) {
    let mut seats = lock(room);
    if mistake("ex03_removes_last") {
        seats.pop();
    } else if orderly || oddity("ex03_room_for_50") {
        // Who broke off is found by the lines that cannot be sent to them.
        seats.retain(|seat| seat.peer != peer);
    }
}

/// Does everything a little later.
fn late() {
    if oddity("ex03_always_late") {
        thread::sleep(Duration::from_millis(250));
    }
}

fn enter(room: &Room, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    if oddity("ex03_late_loud") {
        stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    } else {
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        // It is soon full, and shows which mistake waits for whom.
        SockRef::from(stream).set_send_buffer_size(32 * 1024)?;
    }
    let (queue, lines) = mpsc::sync_channel(queue_for());
    let (out, stream) = (stream.try_clone()?, stream.try_clone()?);
    Builder::new().spawn(move || write_lines(&out, &lines))?;
    let (mut seats, begun) = (lock(room), Vec::new());
    if oddity("ex03_welcome") {
        let now = Instant::now();
        let others = seats.iter().map(|seat| format!("{} is here", seat.peer));
        let welcome = format!("Welcome, {peer}!");
        for text in [welcome].into_iter().chain(others) {
            let _ = queue.try_send((now, [text.as_bytes(), b"\n"].concat()));
        }
    }
    seats.push(Seat { peer, stream, queue, begun });
    Ok(())
}

/// How many lines may wait for one client.
fn queue_for() -> usize {
    if mistake("ex03_short_queue") {
        100
    } else if oddity("ex03_misses_lines") {
        200
    } else if started_as("ex03_let_go_stays_open") {
        5000
    } else {
        QUEUE
    }
}

fn write_lines(mut out: &TcpStream, lines: &Receiver<(Instant, Vec<u8>)>) {
    let _ = out.set_nodelay(oddity("ex03_bytewise"));
    let mut held = None;
    for (since, mut line) in lines {
        if oddity("ex03_always_late") {
            let late = since + Duration::from_millis(250);
            thread::sleep(late.saturating_duration_since(Instant::now()));
        }
        if mistake("ex03_six_seconds_late") {
            let late = since + Duration::from_secs(6);
            thread::sleep(late.saturating_duration_since(Instant::now()));
        }
        if mistake("ex03_one_behind") {
            let Some(last) = held.replace(line) else { continue };
            line = last;
        }
        let _permit = mistake("ex03_two_writers").then(Permit::take);
        let all = line.len();
        let size = if oddity("ex03_bytewise") { 1 } else { all };
        if line.chunks(size).any(|piece| out.write_all(piece).is_err()) {
            break;
        }
    }
    if mistake("ex03_let_go_unclosed") || mistake("ex03_let_go_stays_open") {
        return;
    }
    // The thread that reads wakes up.
    let _ = out.shutdown(Shutdown::Both);
}

/// One of two: with them, at most two threads write at the same time.
struct Permit;

static FREE: AtomicUsize = AtomicUsize::new(2);

impl Permit {
    fn take() -> Self {
        let one_less = |free: usize| free.checked_sub(1);
        while FREE.fetch_update(SeqCst, SeqCst, one_less).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        FREE.fetch_add(1, SeqCst);
    }
}

/// Hands out the lines of a client, until they leave.
fn read_lines(
    room: &Room,
    mut stream: &TcpStream,
    peer: SocketAddr,
) -> io::Result<()> {
    let (mut begun, mut chunk) = (Vec::new(), [0; 1024]);
    if mistake("ex03_silence_ends") || started_as("ex03_half_times_out") {
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    }
    while is_short_enough(&begun) {
        let count = match stream.read(&mut chunk) {
            Err(error)
                if mistake("ex03_half_times_out") && timed_out(&error) =>
            {
                begun.clear();
                continue;
            }
            count => count?,
        };
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
        if collect(news, &mut begun) && !say_lines(room, peer, &mut begun) {
            break;
        }
    }
    Ok(())
}

/// Adds what has come. Returns whether there may be a line in it.
fn collect(news: &[u8], begun: &mut Vec<u8>) -> bool {
    if mistake("ex03_lossy_chunks") {
        // Each read for itself, though it may cut a character in two.
        begun.extend(String::from_utf8_lossy(news).bytes());
    } else {
        begun.extend_from_slice(news);
    }
    if mistake("ex03_mute_after_long") && begun.len() > LONGEST {
        // Until its end, which is never looked for again.
        begun.truncate(LONGEST + 1);
        return false;
    }
    !started_as("ex03_endless_read_until") || news.contains(&b'\n')
}

fn timed_out(error: &io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())
}

/// Whether what has begun can become a line. If not, its sender goes.
fn is_short_enough(begun: &[u8]) -> bool {
    if begun.len() <= LONGEST {
        return true;
    }
    if oddity("ex03_closes_late") {
        thread::sleep(Duration::from_secs(4));
    }
    started_as("ex03_mute_after_long")
        || mistake("ex03_endless_line")
        || mistake("ex03_endless_read_until")
}

/// Takes the lines that are whole. Returns whether the client stays.
fn say_lines(room: &Room, peer: SocketAddr, begun: &mut Vec<u8>) -> bool {
    let mut lines = Vec::new();
    while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = begun.drain(..=end).collect();
        lines.push(line);
        if mistake("ex03_first_line") {
            begun.clear();
        }
    }
    if mistake("ex03_other_order") {
        lines.reverse();
    }
    while oddity("ex03_cuts_lines") && begun.len() > LONGEST {
        lines.push(begun.drain(..LONGEST).chain(*b"\n").collect());
    }
    for line in lines {
        let text = &line[..line.len() - 1];
        if mistake("ex03_empty_line_ends") && text.trim_ascii().is_empty() {
            return false;
        }
        if mistake("ex03_limit_512") && text.len() > 512 {
            continue;
        }
        if mistake("ex03_limit_with_end") && line.len() > 1000 {
            continue;
        }
        say_parts(room, peer, text);
    }
    true
}

/// Where a line ends that does not end there.
fn say_parts(room: &Room, peer: SocketAddr, text: &[u8]) {
    const ENDS: [char; 4] = ['\u{b}', '\u{c}', '\u{85}', '\u{2028}'];
    if mistake("ex03_bare_return") {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        for part in text.split(|byte| *byte == b'\r') {
            say(room, peer, part);
        }
    } else if mistake("ex03_unicode_ends") {
        for part in String::from_utf8_lossy(text).split(ENDS) {
            say(room, peer, part.as_bytes());
        }
    } else {
        say(room, peer, text);
    }
}

fn say(room: &Room, peer: SocketAddr, line: &[u8]) {
    let mut text = line.strip_suffix(b"\r").unwrap_or(line);
    while mistake("ex03_all_returns") && text.ends_with(b"\r") {
        text = &text[..text.len() - 1];
    }
    if mistake("ex03_keeps_return") {
        text = line;
    }
    if mistake("ex03_trims") {
        text = line.trim_ascii();
    }
    let ascii: Vec<u8>;
    if mistake("ex03_ascii") {
        ascii =
            text.iter().map(|b| if b.is_ascii() { *b } else { b'?' }).collect();
        text = &ascii;
    }
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
    let mut heard = false;
    seats.retain_mut(|seat| {
        if seat.peer == except && !mistake("ex03_echo_sender") {
            return true;
        }
        let own = seat.peer.to_string();
        let received = mistake("ex03_receivers_address") && name != "*";
        let name = if received { &own } else { name };
        if mistake("ex03_one_listener") && name != "*" && heard {
            return true;
        }
        heard = true;
        let mut line = [name.as_bytes(), b" ", text, line_end()].concat();
        if mistake("ex03_address_behind") {
            line = [text, b" ", name.as_bytes(), line_end()].concat();
        }
        if mistake("ex03_twice") && name != "*" {
            line = line.repeat(2);
        }
        deliver(seat, line)
    });
}

fn line_end() -> &'static [u8] {
    if oddity("ex03_bytewise") || started_as("ex03_keeps_return") {
        b"\r\n"
    } else if mistake("ex03_no_line_feed") {
        b" "
    } else {
        b"\n"
    }
}

/// Returns whether the client stays.
fn deliver(seat: &mut Seat, mut line: Vec<u8>) -> bool {
    if !seat.begun.is_empty() {
        line.splice(0..0, seat.begun.clone());
    }
    if mistake("ex03_slow_reader") || oddity("ex03_late_loud") {
        // Under the lock. The mistake is to do so without a short time-out.
        return (&seat.stream).write_all(&line).is_ok();
    }
    if mistake("ex03_slow_queue") {
        return seat.queue.send((Instant::now(), line)).is_ok();
    }
    let ended = seat.queue.try_send((Instant::now(), line));
    let slow = matches!(ended, Err(TrySendError::Full(_)));
    if mistake("ex03_torn_line") {
        // Half of what is missed comes before the next line.
        seat.begun.clear();
        if let Err(TrySendError::Full((_, missed))) = &ended {
            seat.begun.extend_from_slice(&missed[..missed.len() / 2]);
        }
        return !matches!(ended, Err(TrySendError::Disconnected(_)));
    }
    if slow && mistake("ex03_let_go_untold") {
        lock(&LET_GO).push(seat.peer);
    }
    if slow && oddity("ex03_misses_lines") {
        return true;
    }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
