//! The promises that are seen in `/proc`, which only Linux has.

use std::fs;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::{self, connect, reset};
use crate::{PATIENCE, STOP_TIME, Server};

/// `count` connections of noise: afterwards no panic, no leak, the next good
/// client is served, and Ctrl-C works as ever.
pub fn noise_leaves_no_trace(
    program: &Path,
    args: &[&str],
    count: u64,
    good: impl Fn(SocketAddr),
) {
    let server = Server::start(program, args);
    let before = Traces::of(&server);

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

    let until = Instant::now() + PATIENCE;
    while Traces::of(&server) != before && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(Traces::of(&server), before);
    good(server.address());
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.stderr.last());
    assert!(ended.took < STOP_TIME, "{:?}", ended.took);
    let panics = ended.stderr.iter().filter(|line| line.contains("panicked"));
    assert_eq!(panics.count(), 0, "{:#?}", ended.stderr);
}

/// What clients leave while they are there.
#[derive(Debug, PartialEq)]
struct Traces {
    queued: u64,
    threads: usize,
    files: usize,
}

impl Traces {
    fn of(server: &Server) -> Self {
        let count = |folder: &str| {
            let path = format!("/proc/{}/{folder}", server.id());
            fs::read_dir(path).unwrap().count()
        };
        // Whoever leaves the queue in between is seen as a file.
        let queued = queued(server.address().port());
        Self { queued, threads: count("task"), files: count("fd") }
    }
}

/// How many connections wait to be accepted: the receive queue of a listener
/// (state 0A) in `/proc/net/tcp`, see proc(5).
fn queued(port: u16) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let fields = table.lines().map(|line| line.split_whitespace());
    let mut rows = fields.map(Iterator::collect::<Vec<_>>);
    let row = rows.find(|row| row[1].ends_with(&local) && row[3] == "0A");
    let row = row.expect("the server should listen");
    let queue = row[4].split(':').nth(1).expect("tx_queue:rx_queue");
    u64::from_str_radix(queue, 16).expect("a hexadecimal number")
}

/// One client who makes no sense; which one depends on `number` alone.
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

/// Waiting costs nothing: while a client is silent, no thread of the server
/// wakes up to look for something.
pub fn a_silent_client_wakes_no_thread(
    program: &Path,
    args: &[&str],
    talk: impl Fn(&TcpStream),
) {
    let server = Server::start(program, args);
    let client = server.connect();
    talk(&client);
    // Until the thread waits again.
    thread::sleep(Duration::from_millis(300));

    let before = wake_ups(server.id());
    thread::sleep(Duration::from_secs(1));

    assert_eq!(wake_ups(server.id()), before);
}

/// How often each thread of a process has waited for something, and come
/// back: `proc_pid_status(5)`.
fn wake_ups(id: u32) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for thread in fs::read_dir(format!("/proc/{id}/task")).unwrap() {
        let path = thread.unwrap().path();
        let status = fs::read_to_string(path.join("status")).unwrap();
        let mut lines = status.lines();
        let line = lines.find(|it| it.starts_with("voluntary_ctxt_switches"));
        all.push((path, line.expect("Linux counts them").to_owned()));
    }
    all.sort();
    all
}
