//! Odd: every byte leaves in a write of its own, lines end with `\r\n`, the
//! words for coming and going are others, and only std is used.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::Builder;
use std::time::Duration;

/// The longest line; whoever sends more is let go.
const LONGEST: u64 = 2000;

/// How many lines may wait for one client.
const QUEUE: usize = 20_000;

type Room = RwLock<BTreeMap<SocketAddr, SyncSender<Arc<Vec<u8>>>>>;

fn main() -> io::Result<()> {
    let (mut host, mut port) = ("127.0.0.1".to_owned(), 8080);
    let mut words = env::args().skip(1);
    while let (Some(flag), Some(value)) = (words.next(), words.next()) {
        match flag.as_str() {
            "--host" => host = value,
            "--port" => port = value.parse().map_err(io::Error::other)?,
            _ => return Err(io::Error::other("--host HOST, --port PORT")),
        }
    }
    let listener = TcpListener::bind((host, port))?;
    println!("[LISTENING] {}", listener.local_addr()?);
    let room = Arc::new(Room::default());
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let room = Arc::clone(&room);
        let _ = Builder::new().spawn(move || {
            if let Err(error) = visit(&room, &stream, peer) {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

fn visit(room: &Room, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    let (queue, lines) = mpsc::sync_channel::<Arc<Vec<u8>>>(QUEUE);
    let mut out = stream.try_clone()?;
    Builder::new().spawn(move || {
        let mut bytes = lines.iter().flat_map(|line| line.to_vec());
        while bytes.next().is_some_and(|byte| out.write_all(&[byte]).is_ok()) {}
        let _ = out.shutdown(Shutdown::Both);
    })?;
    room.write().unwrap_or_else(PoisonError::into_inner).insert(peer, queue);
    tell(room, peer, format!("--> {peer} is here now\r\n").into());
    let ended = listen(room, stream, peer);
    room.write().unwrap_or_else(PoisonError::into_inner).remove(&peer);
    tell(room, peer, format!("<-- {peer} is gone\r\n").into());
    ended
}

fn listen(room: &Room, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = format!("{peer} ").into_bytes();
        let count =
            reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if count == 0 || line.pop() != Some(b'\n') {
            return Ok(());
        }
        if line.ends_with(b"\r") {
            line.pop();
        }
        line.extend_from_slice(b"\r\n");
        tell(room, peer, line);
    }
}

/// Whoever has missed too much loses the queue, and then the connection.
fn tell(room: &Room, from: SocketAddr, line: Vec<u8>) {
    let line = Arc::new(line);
    let mut room = room.write().unwrap_or_else(PoisonError::into_inner);
    room.retain(|peer, queue| {
        *peer == from || queue.try_send(Arc::clone(&line)).is_ok()
    });
}
