//! Odd: std alone, one `bind` with all the ports, and a late start.
//!
//! `TcpListener::bind` takes a slice of addresses and tries them in turn. It
//! prints no more than it must, and Ctrl-C simply ends it.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

fn main() -> ExitCode {
    let Some((from, tries)) = flags() else {
        eprintln!("usage: ex01 [--from P] [--tries N]");
        return ExitCode::from(2);
    };
    thread::sleep(Duration::from_secs(1));

    let addresses: Vec<SocketAddr> = (from..=u16::MAX)
        .take(tries)
        .map(|port| (Ipv4Addr::LOCALHOST, port).into())
        .collect();
    let listening = TcpListener::bind(&addresses[..])
        .and_then(|listener| Ok((listener.local_addr()?, listener)));
    match listening {
        Ok((address, _listener)) => {
            println!("[LISTENING] {address}");
            loop {
                thread::park();
            }
        }
        Err(error) => {
            eprintln!("no port: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `--from 1 --tries 2` and `--from=1 --tries=2` both work.
fn flags() -> Option<(u16, usize)> {
    let (mut from, mut tries) = (8080, 10);
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), value.to_owned()),
            None => (word, words.next()?),
        };
        match flag.as_str() {
            "--from" => from = value.parse().ok()?,
            "--tries" => tries = value.parse().ok()?,
            _ => return None,
        }
    }
    Some((from, tries))
}
