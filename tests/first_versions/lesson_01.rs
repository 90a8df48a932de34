//! 01: bind and wait.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;

use assert_cmd::cargo::cargo_bin;
use harness::Server;
use harness::contract::run;
use harness::peer::{connect, hear_all, send};
use predicates::prelude::*;
use predicates::str::contains;

use crate::copy::{ADDRESS, changed, first};
use crate::open::Open;
use crate::{hear_until_reset, hears_nothing};

fn lesson() -> &'static Path {
    cargo_bin!("01_bind_listen")
}

/// Whoever is still in the queue then is put out.
#[test]
fn waits_until_enter_is_pressed() {
    let mut server = Open::start();
    let client = connect(server.address);

    let mut stdin = server.child.stdin.take().unwrap();
    stdin.write_all(b"\n").unwrap();

    assert!(server.child.wait().unwrap().success());
    assert_eq!(hear_until_reset(&client), b"");
}

/// The system's own words name neither the port nor a way out.
#[test]
fn a_second_start_is_an_error_that_helps_nobody() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let port = address.port().to_string();

    let taken = changed("01_first", ADDRESS, &address.to_string());

    let of_first = run(&taken, &[]);
    let of_lesson = run(lesson(), &["--port", &port]);

    // The next time the port will be another, and so will the copy.
    fs::remove_file(taken).unwrap();
    of_first
        .code(1)
        .stdout("")
        .stderr(contains("AddrInUse"))
        .stderr(contains(port).not())
        .stderr(predicate::function(|text: &str| {
            let linux = "Error: Os { code: 98, kind: AddrInUse, \
                         message: \"Address already in use\" }\n";
            text == linux || !cfg!(target_os = "linux")
        }));
    let what =
        format!("[ERROR] cannot listen on {address}: the port is in use");
    of_lesson
        .code(1)
        .stderr(contains(what))
        .stderr(contains("ss -ltnp"))
        .stderr(contains("--port 0"));
}

/// This is mended on the next page: there the server accepts.
#[test]
fn a_client_is_connected_and_nobody_ever_accepts() {
    let (open, lesson) = (Open::start(), Server::start(lesson(), &[]));
    let next_page = Server::start(first("02_first"), &[]);

    for address in [open.address, lesson.address()] {
        let client = connect(address);
        send(&client, "hello\n");

        hears_nothing(&client);
    }

    let client = next_page.connect();
    assert_eq!(hear_all(&client), b"Connection Established\r\n");
}

/// std asks for 128; Linux lets in one more than that.
#[cfg(target_os = "linux")]
#[test]
fn the_queue_has_a_length_that_only_the_lesson_can_choose() {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    let (open, lesson) = (Open::start(), Server::start(lesson(), &[]));

    for (address, places) in [(open.address, 129), (lesson.address(), 3)] {
        let queue: Vec<_> = (0..places).map(|_| connect(address)).collect();

        let next = TcpStream::connect_timeout(&address, crate::A_WHILE);

        assert_eq!(next.unwrap_err().kind(), ErrorKind::TimedOut);
        drop(queue);
    }
}
