//! The promises that need a signal or a limit, which only Unix has.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::peer::{self, connect, reset};
use crate::{PATIENCE, STOP_TIME, Server};

/// Ctrl-C with a visitor inside: the visitor is let go, the process ends in
/// time with 0 and its totals, and a new one gets the same port at once.
pub fn ctrl_c_lets_go_and_frees_the_port(program: &Path, args: &[&str]) {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut server = Server::start(program, args);
        let (address, port) = (server.address(), server.port());
        let visitor = server.connect();
        server.says("[NEW CONNECTION]");

        let ended = server.end_by(signal);

        assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
        assert!(ended.took < STOP_TIME, "{:?}", ended.took);
        assert!(ended.last_line().starts_with("[STOPPED] "), "{ended:#?}");
        assert!(ended.stderr.is_empty(), "{ended:#?}");
        // Whatever the server said before, its end is an orderly one.
        let _ = peer::hear_all(&visitor);

        let mut again = Command::new(program);
        again.args(["--port", &port]).args(args);
        assert_eq!(Server::spawn(again).address(), address);
    }
}

/// No file descriptor left: one line for the whole spell, no spin, and the
/// server comes back when descriptors do.
pub fn running_out_of_descriptors_is_survived(
    program: &Path,
    args: &[&str],
    good: impl Fn(SocketAddr),
) {
    let mut server = Server::start_limited(program, "-n 24", args);
    let mut crowd: Vec<_> = (0..30).map(|_| server.connect()).collect();

    let line = server.complains("[ERROR]");
    // Long enough for several tries, each of which fails.
    thread::sleep(Duration::from_millis(500));
    crowd.clear();

    assert!(line.contains("no file descriptors are left"), "{line}");
    good(server.address());
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    let of_accept = |line: &&String| line.contains("cannot accept");
    assert_eq!(ended.stderr.iter().filter(of_accept).count(), 1, "{ended:#?}");
}

/// Ctrl-C while no file descriptor is left.
pub fn ctrl_c_works_without_descriptors(program: &Path, args: &[&str]) {
    let mut server = Server::start_limited(program, "-n 24", args);
    let crowd: Vec<_> = (0..30).map(|_| server.connect()).collect();
    server.complains("no file descriptors are left");

    let ended = server.stop();

    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert!(ended.took < STOP_TIME, "{:?}", ended.took);
    drop(crowd);
}

/// `count` connections of noise: afterwards no panic, no leak, the next good
/// visitor is served, and Ctrl-C works as ever.
pub fn noise_leaves_no_trace(
    program: &Path,
    args: &[&str],
    count: u64,
    good: impl Fn(SocketAddr),
) {
    let server = Server::start(program, args);
    good(server.address());
    let before = settled(&server, |_| true);

    let address = server.address();
    thread::scope(|scope| {
        for quarter in 0..4 {
            thread::Builder::new()
                .spawn_scoped(scope, move || {
                    for number in (quarter..count).step_by(4) {
                        make_noise(address, number);
                    }
                })
                .unwrap();
        }
    });

    good(server.address());
    let after = settled(&server, |now| now <= before);
    assert!(after <= before, "(threads, files): {before:?}, then {after:?}");
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.stderr.last());
    assert!(ended.took < STOP_TIME, "{:?}", ended.took);
    let panics = ended.stderr.iter().filter(|line| line.contains("panicked"));
    assert_eq!(panics.count(), 0, "{:#?}", ended.stderr);
}

/// The server's threads and open files, as soon as they are `right`, or
/// after a while all the same.
#[cfg(target_os = "linux")]
fn settled(
    server: &Server,
    right: impl Fn((usize, usize)) -> bool,
) -> (usize, usize) {
    let until = Instant::now() + PATIENCE;
    let count = |folder: &str| {
        let path = format!("/proc/{}/{folder}", server.id());
        std::fs::read_dir(path).unwrap().count()
    };
    loop {
        let now = (count("task"), count("fd"));
        if right(now) || Instant::now() > until {
            return now;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Only Linux shows them without further tools.
#[cfg(not(target_os = "linux"))]
fn settled(_: &Server, _: impl Fn((usize, usize)) -> bool) -> (usize, usize) {
    (0, 0)
}

/// One visitor who makes no sense; which one depends on `number` alone.
fn make_noise(address: SocketAddr, number: u64) {
    let bytes = random_bytes(number);
    let half = &peer::header(number)[..usize::try_from(number % 64).unwrap()];
    let connection = connect(address);
    // The server may have had enough of it before we have.
    let _ = match number % 6 {
        0 => Ok(()),
        1 | 2 => (&connection).write_all(&bytes),
        3 => (&connection).write_all(half),
        4 => connection.shutdown(Shutdown::Write),
        _ => end_after(&connection, half),
    };
    if number % 4 < 2 {
        reset(connection);
    }
}

fn end_after(mut connection: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    connection.write_all(bytes)?;
    connection.shutdown(Shutdown::Write)
}

/// Up to 300 bytes from a xorshift generator: the same for the same seed.
fn random_bytes(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    let count = usize::from(next()) + 44;
    (0..count).map(|_| next()).collect()
}
