//! Odd: plain std, one thread, sockets that never block, a polling loop.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

struct Sender {
    connection: TcpStream,
    peer: SocketAddr,
    bytes: Vec<u8>,
}

fn main() -> io::Result<()> {
    let host = flag("--host").unwrap_or("127.0.0.1".into());
    let port = flag("--port").unwrap_or("8080".into());
    let limit = flag("--max-message").and_then(|text| text.parse().ok());
    let limit: usize = limit.unwrap_or(8192);
    let listener = TcpListener::bind(format!("{host}:{port}"))?;
    listener.set_nonblocking(true)?;
    println!("[LISTENING] {}", listener.local_addr()?);

    let mut senders: Vec<Sender> = Vec::new();
    loop {
        while let Ok((connection, peer)) = listener.accept() {
            if connection.set_nonblocking(true).is_ok() {
                senders.push(Sender { connection, peer, bytes: Vec::new() });
            }
        }
        senders.retain_mut(|sender| match sender.step(limit) {
            Ok(stays) => stays,
            Err(error) => {
                eprintln!("{} was sent away: {error}", sender.peer);
                false
            }
        });
        thread::sleep(Duration::from_millis(2));
    }
}

impl Sender {
    /// Reads once; `false` when the sender has ended between two frames.
    fn step(&mut self, limit: usize) -> io::Result<bool> {
        let mut chunk = [0; 1000];
        let count = match self.connection.read(&mut chunk) {
            Ok(0) if self.bytes.is_empty() => return Ok(false),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.bytes.extend_from_slice(&chunk[..count]);
        while let Some((start, end)) = frame(&self.bytes, limit)? {
            let text = one_line(&self.bytes[start..end]);
            println!("[RECEIVED] {} {text}", self.peer);
            self.bytes.drain(..end);
        }
        Ok(true)
    }
}

/// Where the message of the first frame begins and ends, if it is all there.
fn frame(bytes: &[u8], limit: usize) -> io::Result<Option<(usize, usize)>> {
    let mut length = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b' ' if at > 0 => {
                let end = at + 1 + length;
                return Ok((bytes.len() >= end).then_some((at + 1, end)));
            }
            b'1'..=b'9' => {}
            b'0' if at > 0 => {}
            _ => return Err(io::Error::other("its length is no number")),
        }
        length = length * 10 + usize::from(byte - b'0');
        if length > limit {
            return Err(io::Error::other("its message is too long"));
        }
    }
    Ok(None)
}

/// Escapes control characters in a way of its own: `\n`, but `<1b>`.
fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace('\n', "\\n");
    let escape = |c: char| match c {
        c if c.is_control() => format!("<{:02x}>", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn flag(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}
