//! Odd: plain std, 200 threads made beforehand that accept from one listener.
//! It prints nothing but `[LISTENING]`, errors and the messages, and shows a
//! long message by its beginning only.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use first_socket::report;

const THREADS: usize = 200;

fn main() -> io::Result<()> {
    let (mut host, mut port, mut limit) = ("127.0.0.1".to_owned(), 8080, 8192);
    let mut words = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        match &*name {
            "--host" => host = value,
            "--port" => port = value.parse().map_err(io::Error::other)?,
            "--max-message" => {
                limit = value.parse().map_err(io::Error::other)?;
            }
            _ => return Err(io::Error::other(format!("unknown: {name}"))),
        }
    }
    let listener = TcpListener::bind((&*host, port))?;
    println!("[LISTENING] {}", listener.local_addr()?);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, || work(&listener, limit))?;
        }
        Ok(())
    })
}

fn work(listener: &TcpListener, limit: usize) {
    loop {
        let Ok((connection, peer)) = listener.accept() else { continue };
        if let Err(error) = receive(&connection, peer, limit) {
            eprintln!("{peer}: {error}");
        }
        let _ = connection.shutdown(Shutdown::Both);
    }
}

fn receive(
    connection: &TcpStream,
    peer: SocketAddr,
    limit: usize,
) -> io::Result<()> {
    let mut input = BufReader::with_capacity(100, connection);
    let longest = limit.to_string().len();
    while !input.fill_buf()?.is_empty() {
        let mut digits = Vec::new();
        loop {
            let Some(&byte) = input.fill_buf()?.first() else {
                return Err(ErrorKind::UnexpectedEof.into());
            };
            input.consume(1);
            match byte {
                b' ' if !digits.is_empty() => break,
                b'0' if digits.is_empty() => return Err(bad()),
                b'0'..=b'9' if digits.len() < longest => digits.push(byte),
                _ => return Err(bad()),
            }
            let text = String::from_utf8_lossy(&digits);
            if text.parse::<usize>().is_ok_and(|length| length > limit) {
                return Err(bad());
            }
        }
        let text = String::from_utf8_lossy(&digits);
        let length = text.parse().map_err(io::Error::other)?;
        let mut message = vec![0; length];
        input.read_exact(&mut message)?;
        println!("[RECEIVED] {peer} {}", report::shown(&message));
    }
    Ok(())
}

fn bad() -> io::Error {
    io::Error::other("a length that is none")
}
