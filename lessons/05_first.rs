//! 05 · The first version: take a name, make the file, copy.
//!
//! `cargo run -q --bin 05_first`; Ctrl-C ends it. The file that
//! `cargo run -q --bin 05_client Cargo.toml` sends stands in `received`.

// ANCHOR: all
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    fs::create_dir_all("received")?;
    let listener = TcpListener::bind("127.0.0.1:8080")?;
    println!("[LISTENING] {}", listener.local_addr()?);

    loop {
        let (mut stream, _) = listener.accept()?;
        thread::spawn(move || take_file(&mut stream));
    }
}

fn take_file(stream: &mut TcpStream) -> io::Result<()> {
    let header = io::read_to_string(stream.take(64))?;
    let length = header.trim().parse().unwrap_or(0);
    let name = io::read_to_string(stream.take(length))?;
    let header = io::read_to_string(stream.take(64))?;
    let size = header.trim().parse().unwrap_or(0);

    let mut file = File::create(format!("received/{name}"))?;
    write!(stream, "{:<64}READY", 5)?;
    io::copy(&mut stream.take(size), &mut file)?;
    let reply = format!("SAVED {size} {name}");
    write!(stream, "{:<64}{}", reply.len(), reply)
}
// ANCHOR_END: all
