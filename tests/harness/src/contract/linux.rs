//! The promises that are seen in `/proc`, which only Linux has.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::{self, connect, reset};
use crate::{PATIENCE, STOP_TIME, Server};

/// `count` connections of noise: afterwards no panic, no leak, the next good
/// visitor is served, and Ctrl-C works as ever.
pub fn noise_leaves_no_trace(
    program: &Path,
    args: &[&str],
    count: u64,
    good: impl Fn(SocketAddr),
) {
    let mut server = Server::start(program, args);
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

    // Those who still queue would be let in before the good visitor.
    for _ in 0..count {
        server.says("[CLOSED]");
    }
    let after = settled(&server, |now| now <= before);
    assert!(after <= before, "(threads, files): {before:?}, then {after:?}");
    good(server.address());
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.stderr.last());
    assert!(ended.took < STOP_TIME, "{:?}", ended.took);
    let panics = ended.stderr.iter().filter(|line| line.contains("panicked"));
    assert_eq!(panics.count(), 0, "{:#?}", ended.stderr);
}

/// The server's threads and open files, as soon as they are `right`, or
/// after a while all the same.
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
