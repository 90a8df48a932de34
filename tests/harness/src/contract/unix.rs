//! The promises that need a signal or a limit, which only Unix has.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::peer;
use crate::{STOP_TIME, Server, Signal, suspend};

/// Ctrl-C with a client inside: the client is let go, the process ends in
/// time with 0 and its totals, and a new one gets the same port at once.
pub fn ctrl_c_lets_go_and_frees_the_port(program: &Path, args: &[&str]) {
    thread::scope(|scope| {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let test =
                move || lets_go_and_frees_the_port(program, args, signal);
            thread::Builder::new().spawn_scoped(scope, test).unwrap();
        }
    });
}

fn lets_go_and_frees_the_port(program: &Path, args: &[&str], signal: Signal) {
    let mut server = Server::start(program, args);
    let (address, port) = (server.address(), server.port());
    let client = server.connect();
    server.says("[NEW CONNECTION]");

    let ended = server.end_by(signal);

    assert_eq!(ended.status.code(), Some(0), "{signal}: {ended:#?}");
    assert!(ended.took < STOP_TIME, "{signal}: {:?}", ended.took);
    assert!(ended.last_line().starts_with("[STOPPED] "), "{ended:#?}");
    assert!(ended.stderr.is_empty(), "{signal}: {ended:#?}");
    // Whatever the server said before, its end is an orderly one.
    let _ = peer::hear_all(&client);

    let mut again = Command::new(program);
    again.args(["--port", &port]).args(args);
    assert_eq!(Server::spawn(again).address(), address);
}

/// No file descriptor left: one line for each spell, and the server comes
/// back when descriptors do.
pub fn running_out_of_descriptors_is_survived(
    program: &Path,
    args: &[&str],
    good: impl Fn(SocketAddr),
) {
    const CROWD: usize = 30;
    let mut server = Server::start_limited(program, "-n 24", args);
    for _ in 0..2 {
        let crowd: Vec<_> = (0..CROWD).map(|_| server.connect()).collect();

        let line = server.complains("cannot accept");
        assert!(line.contains("no file descriptors are left"), "{line}");
        // Several tries, each of which fails; and when the crowd has gone,
        // the spell is over.
        thread::sleep(Duration::from_millis(500));
        drop(crowd);
        for _ in 0..CROWD {
            server.says("[CLOSED]");
        }
        thread::sleep(Duration::from_millis(1100));

        good(server.address());
        server.says("[CLOSED]");
    }
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    let of_accept = |line: &&String| line.contains("cannot accept");
    assert_eq!(ended.stderr.iter().filter(of_accept).count(), 2, "{ended:#?}");
}

/// Ctrl-Z and `fg`, or a debugger that attaches: clients stay.
pub fn a_suspended_server_keeps_its_clients(
    program: &Path,
    args: &[&str],
    talk: impl Fn(&TcpStream),
) {
    let server = Server::start(program, args);
    let client = server.connect();
    talk(&client);

    for _ in 0..3 {
        suspend(server.id());
    }

    talk(&client);
    assert!(server.stop().stderr.is_empty());
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
