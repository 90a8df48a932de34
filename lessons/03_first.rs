//! 03 · The first version: a thread for each client, which sends back what
//! the client says.
//!
//! `cargo run -q --bin 03_first`; Ctrl-C ends it.

// ANCHOR: all
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8080")?;
    println!("[LISTENING] {}", listener.local_addr()?);

    loop {
        let (mut stream, _) = listener.accept()?;
        thread::spawn(move || echo(&mut stream));
    }
}

fn echo(stream: &mut TcpStream) -> io::Result<()> {
    let mut chunk = [0; 1024];
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..count])?;
    }
}
// ANCHOR_END: all
