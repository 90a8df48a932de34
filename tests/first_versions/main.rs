//! The first versions: each works with a friendly client, and each breaks as
//! its page says.
//!
//! A break is one client who meets two servers: the first version, which
//! loses something or makes somebody wait, and the lesson's program, which
//! does not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test and its helpers stop at the first surprise"
)]

mod copy;
mod lesson_01;
mod lesson_02;
mod lesson_03;
mod lesson_04;
mod lesson_05;
mod open;

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::PATIENCE;

/// Long enough to say that nothing comes.
const A_WHILE: Duration = Duration::from_millis(300);

/// Waits a while, in which nothing may come: no byte, and no end.
#[track_caller]
fn hears_nothing(client: &TcpStream) {
    client.set_read_timeout(Some(A_WHILE)).unwrap();
    let heard = client.peek(&mut [0]);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let kind = heard.as_ref().map_err(std::io::Error::kind);
    let silence = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
    assert!(kind.is_err_and(|it| silence.contains(&it)), "{heard:?}");
}

/// All that comes before the connection is reset; an orderly end is a
/// surprise.
#[track_caller]
fn hear_until_reset(mut client: &TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let ended = client.read_to_end(&mut heard);
    let kind = ended.map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::ConnectionReset));
    heard
}

/// Waits until nobody listens there any more.
#[track_caller]
#[cfg(unix)]
fn wait_until_gone(address: std::net::SocketAddr) {
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect_timeout(&address, PATIENCE).is_ok() {
        assert!(Instant::now() < until, "somebody still listens");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the server has read all that `client` has sent: what is sent
/// next comes with another read.
fn wait_until_read(client: &TcpStream) {
    let until = Instant::now() + PATIENCE;
    while is_unread(client) {
        assert!(Instant::now() < until, "the server reads nothing");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether bytes of `client` wait at the server's end: the receive queue of
/// that end in `/proc/net/tcp`, see proc(5).
#[cfg(target_os = "linux")]
fn is_unread(client: &TcpStream) -> bool {
    let port =
        |address: std::net::SocketAddr| format!(":{:04X}", address.port());
    let server = port(client.peer_addr().unwrap());
    let client = port(client.local_addr().unwrap());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let row = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|row| row[1].ends_with(&server) && row[2].ends_with(&client));
    !row.expect("the server's end")[4].ends_with(":00000000")
}

/// Elsewhere nobody tells: time must do.
#[cfg(not(target_os = "linux"))]
fn is_unread(_: &TcpStream) -> bool {
    thread::sleep(A_WHILE);
    false
}

/// The lines of a program without those that are empty or a comment.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|it| !it.is_empty() && !it.starts_with("//"))
}

#[test]
fn a_first_version_is_5_to_25_lines_of_std_alone() {
    for number in 1..=5 {
        let text = copy::source(&format!("0{number}_first"));

        let lines: Vec<_> = code(&text).collect();

        assert!((5..=25).contains(&lines.len()), "{number}: {}", lines.len());
        for line in lines {
            let of_std = !line.starts_with("use ") || line.contains("std::");
            assert!(of_std && !line.starts_with('#'), "{number}: {line}");
        }
    }
}

/// It panics where no thread can be had. Clippy has no eye on it, because
/// the first versions use it.
#[test]
fn only_the_first_versions_start_a_thread_that_may_panic() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["lessons", "src"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();

            let panics = code(&text).any(|it| it.contains("thread::spawn("));

            let name = path.file_stem().unwrap().to_string_lossy();
            assert!(!panics || name.ends_with("_first"), "{name}");
        }
    }
}
