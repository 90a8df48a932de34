//! 01 · The first version: open a port, and wait.
//!
//! `cargo run -q --bin 01_first`; Enter ends it.

// ANCHOR: all
use std::io;
use std::net::TcpListener;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8080")?;
    println!("[LISTENING] {}", listener.local_addr()?);

    println!("Enter stops the server");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(())
}
// ANCHOR_END: all
