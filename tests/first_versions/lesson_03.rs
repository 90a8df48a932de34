//! 03: a thread for each client.

use std::net::TcpStream;
use std::path::Path;

use assert_cmd::cargo::cargo_bin;
use harness::Server;
use harness::contract::run;
use harness::peer::{hear, hear_all, send};

use crate::copy::first;
use crate::hears_nothing;

fn lesson() -> &'static Path {
    cargo_bin!("03_threads")
}

#[track_caller]
fn say_and_hear(client: &TcpStream, text: &str) {
    send(client, text);
    assert_eq!(hear(client, text.len()), text.as_bytes());
}

#[test]
fn a_friendly_client_hears_what_it_says() {
    let server = Server::start(first("03_first"), &[]);

    let args = ["--port", &server.port(), "hello", "wörld"];
    let ended = run(cargo_bin!("03_client"), &args);

    ended.success().stdout("hello\nwörld\n").stderr("");
}

#[test]
fn a_silent_client_holds_up_nobody() {
    let server = Server::start(first("03_first"), &[]);
    let silent = server.connect();

    say_and_hear(&server.connect(), "hello");

    say_and_hear(&silent, "hello, too");
}

#[test]
fn a_silent_client_may_stay_for_ever() {
    let first = Server::start(first("03_first"), &[]);
    let lesson = Server::start(lesson(), &["--timeout", "1"]);
    let (stays, goes) = (first.connect(), lesson.connect());

    assert_eq!(hear_all(&goes), b"");

    // The other one has waited for just as long.
    hears_nothing(&stays);
    say_and_hear(&stays, "still here");
}

/// Sixty come; the lesson's program serves fifty, and tells the others.
#[cfg(target_os = "linux")]
#[test]
fn a_crowd_gets_as_many_threads_as_it_wants() {
    let first = Server::start(first("03_first"), &[]);
    let lesson = Server::start(lesson(), &[]);
    let threads = |server: &Server| {
        let tasks = format!("/proc/{}/task", server.id());
        std::fs::read_dir(tasks).unwrap().count()
    };
    let (before, before_crowd) = (threads(&first), threads(&lesson));

    let of_first: Vec<_> = (0..60).map(|_| first.connect()).collect();
    let of_lesson: Vec<_> = (0..60).map(|_| lesson.connect()).collect();

    for client in of_first.iter().chain(&of_lesson[..50]) {
        say_and_hear(client, "x");
    }
    for client in &of_lesson[50..] {
        assert_eq!(hear(client, 16), b"Server is full.\r");
    }
    let (all, fifty) = (threads(&first), threads(&lesson));
    println!("{before} + 60: {all}; {before_crowd} + 60: {fifty}");
    assert_eq!(all, before + 60);
    assert!(fifty <= before_crowd + 60);
}

/// A connection is a file descriptor, and these have an end, too.
#[cfg(unix)]
#[test]
fn one_client_too_many_ends_the_server_for_all() {
    let mut first = Server::start_limited(first("03_first"), "-n 24", &[]);
    let mut lesson = Server::start_limited(lesson(), "-n 24", &[]);
    let (of_first, of_lesson) = (first.connect(), lesson.connect());
    say_and_hear(&of_first, "hello");
    say_and_hear(&of_lesson, "hello");

    let come = |server: &Server| TcpStream::connect(server.address());
    let crowds: Vec<_> =
        (0..30).map(|_| (come(&first), come(&lesson))).collect();

    first.complains("Error: Os { code: 24");
    lesson.complains("no file descriptors are left");
    // Whoever was inside is put out, in the middle of a conversation.
    assert_eq!(hear_all(&of_first), b"");
    crate::wait_until_gone(first.address());
    say_and_hear(&of_lesson, "still here");
    drop(crowds);
}

/// Ctrl-C ends the process as SIGTERM does; but a shell may start programs
/// so that they do not hear it, and these tests with them.
///
/// The signal comes while bytes wait that the server has not read, far more
/// than it could read on its way out.
#[cfg(unix)]
#[test]
fn ctrl_c_breaks_off_a_conversation() {
    use std::os::unix::process::ExitStatusExt;

    use harness::Signal;

    const MORE: usize = 30_000;
    let first = Server::start(first("03_first"), &[]);
    let lesson = Server::start(lesson(), &[]);
    let (of_first, of_lesson) = (first.connect(), lesson.connect());
    let stop = |server: Server, client: &TcpStream| {
        say_and_hear(client, "hello");
        server.signal(Signal::SIGSTOP);
        send(client, "x".repeat(MORE));
        server.signal(Signal::SIGTERM);
        server.end_by(Signal::SIGCONT).status
    };

    let first = stop(first, &of_first);
    let lesson = stop(lesson, &of_lesson);

    assert_eq!(first.signal(), Some(Signal::SIGTERM as i32));
    assert!(crate::hear_until_reset(&of_first).len() < MORE);
    assert_eq!(lesson.code(), Some(0));
    let _ = hear_all(&of_lesson);
}
