//! 02 · The first version: accept, send, close, and again.
//!
//! `cargo run -q --bin 02_first`; Ctrl-C ends it.

// ANCHOR: all
use std::io::{self, Write};
use std::net::TcpListener;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8080")?;
    println!("[LISTENING] {}", listener.local_addr()?);

    loop {
        let (mut stream, peer) = listener.accept()?;
        println!("[NEW CONNECTION] {peer}");
        stream.write_all(b"Connection Established\r\n")?;
        drop(stream);
    }
}
// ANCHOR_END: all
