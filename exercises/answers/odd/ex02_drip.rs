//! Odd: std alone, every byte in a write of its own, and a late start.
//!
//! It sleeps a second before it listens. Each client has a thread, and the
//! four bytes come 20 milliseconds apart. Ctrl-C simply ends it.

use std::env;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread::{self, Builder};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is between two bytes.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a client may stay after the last byte.
const PATIENCE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let (mut host, mut port) = ("127.0.0.1".to_owned(), "8080".to_owned());
    let mut words = env::args().skip(1);
    while let (Some(flag), Some(value)) = (words.next(), words.next()) {
        match flag.as_str() {
            "--host" => host = value,
            "--port" => port = value,
            _ => return ExitCode::from(2),
        }
    }
    thread::sleep(Duration::from_secs(1));
    match listen(&format!("{host}:{port}")) {
        Ok(never) => never,
        Err(error) => {
            eprintln!("cannot listen on {host}:{port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn listen(address: &str) -> io::Result<ExitCode> {
    let listener = TcpListener::bind(address)?;
    println!("[LISTENING] {}", listener.local_addr()?);
    loop {
        let started = listener.accept().and_then(|(client, _)| {
            Builder::new().spawn(move || {
                let _ = tell(&client);
            })
        });
        if started.is_err() {
            thread::sleep(PAUSE);
        }
    }
}

fn tell(mut client: &TcpStream) -> io::Result<()> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_1970 = since_1970.map_err(io::Error::other)?;
    let time = i128::from(since_1970.as_secs()) + 2_208_988_800;
    client.set_nodelay(true)?;
    for byte in &time.to_be_bytes()[12..] {
        client.write_all(&[*byte])?;
        thread::sleep(PAUSE);
    }
    client.shutdown(Shutdown::Write)?;
    let until = Instant::now() + PATIENCE;
    let mut dropped = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        client.set_read_timeout(Some(left))?;
        if client.read(&mut dropped)? == 0 {
            return Ok(());
        }
    }
}
