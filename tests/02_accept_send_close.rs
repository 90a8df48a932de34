//! Lesson 02: one client at a time, and the orderly close.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;
use assert_cmd::cargo::cargo_bin;
use harness::contract::{self, run};
use harness::peer::{self, connect, connect_with_little_room, hear_all, send};
use harness::{PATIENCE, Server, port_of_nobody};
use predicates::prelude::*;
use predicates::str::contains;

const GREETING: &str = "Connection Established\r\n";

fn program() -> &'static Path {
    cargo_bin!("02_accept_send_close")
}

fn client() -> &'static Path {
    cargo_bin!("02_client")
}

/// A client who does as one should.
fn good_visit(address: SocketAddr) {
    assert_eq!(hear_all(&connect(address)), GREETING.as_bytes());
}

#[test]
fn greets_and_closes_one_client_after_the_other() {
    let mut server = Server::start(program(), &[]);

    for _ in 0..3 {
        let client = server.connect();
        let peer = client.local_addr().unwrap();

        assert_eq!(hear_all(&client), GREETING.as_bytes());

        drop(client);
        let sent = r"24 bytes: Connection Established\r\n";
        server.says(&format!("[NEW CONNECTION] {peer}"));
        server.says(&format!("[SENT] {peer} {sent}"));
        server.says(&format!("[CLOSED] {peer}"));
    }
}

#[test]
fn says_the_message_that_it_is_given() {
    for message in ["Welcome!", "", "grüß dich \x1b[1m"] {
        let server = Server::start(program(), &["--message", message]);

        let heard = hear_all(&server.connect());

        assert_eq!(heard, format!("{message}\r\n").as_bytes());
    }
}

#[test]
fn what_it_prints_of_the_message_is_escaped() {
    let mut server = Server::start(program(), &["--message", "a\x1b[2Jb"]);

    drop(server.connect());

    server.says(r"[SENT]");
    assert!(server.said().iter().all(|line| !line.contains('\x1b')));
}

/// A client with little room takes it in several writes.
#[test]
fn a_long_message_arrives_whole() {
    let message = "x".repeat(130_000);
    let server = Server::start(program(), &["--message", &message]);
    let client = connect_with_little_room(server.address());
    thread::sleep(Duration::from_millis(500));

    assert_eq!(hear_all(&client).len(), 130_002);
}

/// Without the orderly close the unread bytes would make the kernel send a
/// reset, and throw away what has not reached the client yet.
#[test]
fn unread_input_does_not_destroy_the_message() {
    let message = "x".repeat(100_000);
    let mut server = Server::start(program(), &["--message", &message]);
    let client = connect_with_little_room(server.address());
    send(&client, vec![b'?'; 60 * 1024]);
    peer::end(&client);

    // Until the server has done all it can do while nobody reads.
    server.says("[SENT]");
    thread::sleep(Duration::from_millis(300));

    assert_eq!(hear_all(&client).len(), 100_002);
}

#[test]
fn whoever_keeps_talking_is_cut_off() {
    let server = Server::start(program(), &[]);
    let flood = server.connect();

    // Ends when the server closes with input unread: a reset.
    let sent = peer::flood(&flood);

    // 64 KiB, and what the buffers of both sides hold. In a second it would
    // be far more.
    assert!(sent < 50_000_000, "{sent} bytes");
    good_visit(server.address());
}

#[test]
fn a_silent_client_holds_up_the_next_one_for_a_second_at_most() {
    let mut server = Server::start(program(), &[]);
    let silent = server.connect();
    let peer = silent.local_addr().unwrap();
    server.says("[SENT]");
    let begin = Instant::now();

    good_visit(server.address());

    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    // One at a time: the first is closed before the second comes in.
    server.says(&format!("[CLOSED] {peer}"));
    server.says("[NEW CONNECTION]");
}

/// A byte now and then must not start the second anew each time.
#[test]
fn a_drip_feeder_holds_up_the_next_one_for_a_second_at_most() {
    let mut server = Server::start(program(), &[]);
    let drip = server.connect();
    server.says("[SENT]");
    let begin = Instant::now();

    let dripping = thread::Builder::new().spawn(move || {
        while (&drip).write_all(b"?").is_ok() && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(100));
        }
    });
    good_visit(server.address());

    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    dripping.unwrap().join().unwrap();
}

#[test]
fn a_reset_is_one_line_and_nobody_elses() {
    contract::a_reset_is_one_line_and_nobody_elses(program(), &[], good_visit);
}

/// At the limit from the first client on: reported once, retried without a
/// spin, and Ctrl-C ends it.
#[cfg(target_os = "linux")]
#[test]
fn a_failing_accept_is_reported_once_and_retried_after_a_pause() {
    let open = Server::start(program(), &[]);
    let files = format!("/proc/{}/fd", open.id());
    let is_free = |n: &u32| !Path::new(&files).join(n.to_string()).exists();
    // The number that the first client would get is over the limit.
    let limit = format!("-n {}", (0..1000).find(is_free).unwrap());
    let mut server = Server::start_limited(program(), &limit, &[]);
    let client = server.connect();

    server.complains("no file descriptors are left; retrying");
    thread::sleep(Duration::from_millis(1500));
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id()));
    let ended = server.stop();

    // Fields 14 and 15 of proc_pid_stat(5): the time on the processor, in
    // hundredths of a second. A spin would have taken 150 of them.
    let stat = stat.unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).flat_map(str::parse::<u32>).sum();
    assert!(ticks < 30, "{ticks} ticks");
    assert_eq!(ended.stderr.len(), 1, "{ended:#?}");
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert!(ended.took < harness::STOP_TIME, "{:?}", ended.took);
    drop(client);
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_it_though_nobody_reads_its_output() {
    contract::a_second_ctrl_c_ends_it_though_nobody_reads_its_output(
        program(),
        &[],
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_lets_go_and_frees_the_port() {
    contract::ctrl_c_lets_go_and_frees_the_port(program(), &[]);
}

#[cfg(unix)]
#[test]
fn the_last_line_has_the_total() {
    let server = Server::start(program(), &[]);
    for _ in 0..3 {
        good_visit(server.address());
    }

    assert_eq!(server.stop().last_line(), "[STOPPED] clients served: 3");
}

#[cfg(target_os = "linux")]
#[test]
fn noise_leaves_no_trace() {
    contract::noise_leaves_no_trace(program(), &[], 300, good_visit);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes too long for every day"]
fn ten_thousand_noisy_clients_leave_no_trace() {
    contract::noise_leaves_no_trace(program(), &[], 10_000, good_visit);
}

#[test]
fn a_port_in_use_is_explained() {
    contract::a_port_in_use_is_explained(program(), &[]);
}

#[test]
fn a_foreign_address_is_explained() {
    contract::a_foreign_address_is_explained(program(), &[]);
}

#[test]
fn an_unknown_host_is_explained() {
    contract::an_unknown_host_is_explained(program(), &[]);
}

#[test]
fn an_ipv6_address_works() {
    contract::an_ipv6_address_works(program(), &[], good_visit);
}

#[test]
fn help_shows_the_defaults() {
    contract::help_shows(
        program(),
        &["127.0.0.1", "8080", "\"Connection Established\""],
    );
    contract::help_shows(client(), &["127.0.0.1", "8080"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    contract::wrong_usage_exits_with_2(program());
    contract::wrong_usage_exits_with_2(client());
}

#[test]
fn the_client_prints_what_the_server_says() {
    let server = Server::start(program(), &["--message", "Welcome!"]);

    let ended = run(client(), &["--port", &server.port()]);

    ended.success().stdout("Welcome!\r\n").stderr("");
}

#[test]
fn the_client_connects_to_a_name() {
    let server = Server::start(program(), &["--host", "localhost"]);

    let ended =
        run(client(), &["--host", "localhost", "--port", &server.port()]);

    ended.success().stdout(GREETING);
}

/// Not one read, and not text only.
#[test]
fn the_client_prints_to_the_end_and_byte_for_byte() {
    let (address, server) = peer::serve_one(|connection| {
        send(&connection, b"one \x1b[1m \xff");
        thread::sleep(Duration::from_millis(100));
        send(&connection, vec![b'x'; 100_000]);
    });

    let ended = run(client(), &["--port", &address.port().to_string()]);

    let mut expected = b"one \x1b[1m \xff".to_vec();
    expected.resize(expected.len() + 100_000, b'x');
    ended.success().stdout(expected);
    server.join().unwrap();
}

#[test]
fn the_client_says_when_nobody_listens() {
    let (_nobody, port) = port_of_nobody();
    let port = port.to_string();

    let ended = run(client(), &["--port", &port]);

    let what = format!("[ERROR] cannot connect to 127.0.0.1:{port}: nobody");
    ended
        .code(1)
        .stdout("")
        .stderr(predicate::str::starts_with(what))
        .stderr(contains("Start a server first"));
}

#[test]
fn the_client_says_when_a_name_is_unknown() {
    run(client(), &["--host", "no-such-host.invalid"])
        .code(1)
        .stderr(contains("the name could not be resolved"));
}

#[test]
fn the_client_says_when_the_server_goes_away() {
    let (tell, told) = mpsc::channel::<()>();
    let (address, server) = peer::serve_one(move |connection| {
        send(&connection, "half a gree");
        told.recv_timeout(PATIENCE).unwrap();
        peer::reset(connection);
    });
    let mut client = Command::new(client())
        .args(["--port", &address.port().to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    // It is in the middle of the conversation: the reset may come.
    let mut half = [0; 11];
    client.stdout.as_mut().unwrap().read_exact(&mut half).unwrap();
    #[cfg(unix)]
    harness::suspend(client.id());
    tell.send(()).unwrap();
    let ended = client.wait_with_output().unwrap().assert();

    let what = format!(
        "[ERROR] the conversation with {address} broke off: connection reset\n"
    );
    ended.code(1).stderr(predicate::str::starts_with(what));
    server.join().unwrap();
}
