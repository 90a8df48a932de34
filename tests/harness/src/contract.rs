//! What every server of the course promises, whatever its lesson: one
//! function for each promise. A lesson's tests call them with its program.

use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::contains;

use crate::peer::{self, connect, reset, send};
use crate::{PATIENCE, STOP_TIME, Server};

/// Runs a program that is expected to end by itself.
#[must_use]
pub fn run(program: &Path, args: &[&str]) -> Assert {
    let mut command = Command::new(program);
    command.env_remove("CLICOLOR_FORCE").timeout(PATIENCE);
    command.args(args).assert()
}

/// Judges a failure: two lines on stderr, what failed and what to do.
fn explained(ended: Assert, what: &str, advice: &str) {
    ended
        .code(1)
        .stdout(contains("[LISTENING]").not())
        .stderr(predicate::str::starts_with(format!("[ERROR] {what}")))
        .stderr(contains(advice))
        .stderr(contains("os error").not())
        .stderr(predicate::function(|text: &str| text.lines().count() == 2));
}

/// A port in use: says so, and how to find its holder.
pub fn a_port_in_use_is_explained(program: &Path, args: &[&str]) {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let port = address.port().to_string();

    let ended = run(program, &[&["--port", &port], args].concat());

    let what = format!("cannot listen on {address}: the port is in use");
    explained(ended, &what, "ss -ltnp");
}

/// An address that is not this machine's, from the range that RFC 5737
/// reserves for documentation.
pub fn a_foreign_address_is_explained(program: &Path, args: &[&str]) {
    let foreign = ["--host", "203.0.113.9", "--port", "0"];

    let ended = run(program, &[&foreign, args].concat());

    let what = "cannot listen on 203.0.113.9:0: no interface here";
    explained(ended, what, "127.0.0.1");
}

/// A name that RFC 2606 promises never to exist.
pub fn an_unknown_host_is_explained(program: &Path, args: &[&str]) {
    let unknown = ["--host", "no-such-host.invalid", "--port", "0"];

    let ended = run(program, &[&unknown, args].concat());

    explained(ended, "cannot find no-such-host.invalid", "--host 127.0.0.1");
}

/// Wrong usage ends with 2, and says what is wrong.
pub fn wrong_usage_exits_with_2(program: &Path) {
    for args in [["--port", "65536"], ["--port", "http"], ["--nonsense", "1"]] {
        run(program, &args).code(2).stderr(contains(args[0]));
    }
}

/// IPv6: the address in brackets, and visitors come in.
///
/// On a machine without IPv6 the server has to say so.
pub fn an_ipv6_address_works(program: &Path, args: &[&str]) {
    let args = [&["--host", "::1"], args].concat();
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        let args = [&["--port", "0"], &args[..]].concat();
        run(program, &args).code(1).stderr(contains("[::1]:0"));
        return;
    }
    let mut command = std::process::Command::new(program);
    command.args(["--port", "0"]).args(args);

    let server = Server::spawn(command);

    assert!(server.address().is_ipv6(), "{}", server.address());
    drop(server.connect());
}

/// Ctrl-C with a visitor inside: the visitor is let go, the process ends in
/// time with 0 and its totals, and a new one gets the same port at once.
#[cfg(unix)]
pub fn ctrl_c_lets_go_and_frees_the_port(program: &Path, args: &[&str]) {
    use nix::sys::signal::Signal;

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

        let mut again = std::process::Command::new(program);
        again.args(["--port", &port]).args(args);
        assert_eq!(Server::spawn(again).address(), address);
    }
}

/// A visitor who breaks off is one `[ERROR]` line, and the next is served.
pub fn a_reset_is_one_line_and_nobody_elses(
    program: &Path,
    args: &[&str],
    good: impl Fn(SocketAddr),
) {
    let mut server = Server::start(program, args);
    let visitor = server.connect();
    let peer = visitor.local_addr().unwrap();
    server.says("[NEW CONNECTION]");
    send(&visitor, "x");

    reset(visitor);

    let line = server.complains("[ERROR]");
    assert!(line.starts_with(&format!("[ERROR] {peer} ")), "{line}");
    server.says(&format!("[CLOSED] {peer}"));
    good(server.address());
    #[cfg(unix)]
    assert_eq!(server.stop().stderr, [line]);
}

/// No file descriptor left: one line for the whole spell, no spin, and the
/// server comes back when descriptors do.
#[cfg(unix)]
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
#[cfg(unix)]
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
#[cfg(unix)]
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
#[cfg(all(unix, not(target_os = "linux")))]
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
        1 | 2 => std::io::Write::write_all(&mut &connection, &bytes),
        3 => std::io::Write::write_all(&mut &connection, half),
        4 => connection.shutdown(std::net::Shutdown::Write),
        _ => end_after(&connection, half),
    };
    if number % 4 < 2 {
        reset(connection);
    }
}

fn end_after(connection: &TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    std::io::Write::write_all(&mut &*connection, bytes)?;
    connection.shutdown(std::net::Shutdown::Write)
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
