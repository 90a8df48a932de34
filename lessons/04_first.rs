//! 04 · The first version: read once, take it for a message, and answer.
//!
//! `cargo run -q --bin 04_first`; Ctrl-C ends it.

// ANCHOR: all
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8080")?;
    println!("[LISTENING] {}", listener.local_addr()?);

    loop {
        let (mut stream, _) = listener.accept()?;
        thread::spawn(move || answer(&mut stream));
    }
}

fn answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut chunk = [0; 1024];
    while stream.read(&mut chunk)? > 0 {
        let header = String::from_utf8_lossy(&chunk[..64]);
        let length = header.trim().parse().unwrap_or(0);
        let text = String::from_utf8_lossy(&chunk[64..64 + length]);

        let mut reply = format!("You said: {text}");
        if text == "Hello Server!" {
            reply = "Hello Client!".to_string();
        }
        write!(stream, "{:<64}{}", reply.len(), reply)?;
    }
    Ok(())
}
// ANCHOR_END: all
