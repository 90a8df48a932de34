//! Lesson 04: messages, whatever the network makes of them on the way.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use harness::contract::{self, run};
use harness::peer::{
    self, connect, end, header, hear_all, hear_message, message, send,
    send_byte_by_byte,
};
use harness::{PATIENCE, Server, port_of_nobody};
use predicates::prelude::*;
use predicates::str::contains;

fn program() -> &'static Path {
    cargo_bin!("04_length_prefix")
}

fn client() -> &'static Path {
    cargo_bin!("04_client")
}

/// A client who does as one should.
fn good_visit(address: SocketAddr) {
    let client = connect(address);
    ask(&client, "Hello Server!", "Hello Client!");
    end(&client);
    assert_eq!(hear_all(&client), b"");
}

#[track_caller]
fn ask(client: &TcpStream, text: &str, answer: &str) {
    send(client, message(text));
    assert_eq!(hear_message(client), answer);
}

#[test]
fn a_message_is_64_bytes_of_header_and_a_body() {
    let server = Server::start(program(), &[]);
    let client = server.connect();

    send(&client, format!("{:<64}Hello Server!", "13"));

    let expected = format!("{:<64}Hello Client!", "13");
    assert_eq!(peer::hear(&client, 77), expected.as_bytes());
}

#[test]
fn any_other_text_is_said_back() {
    let server = Server::start(program(), &[]);
    let client = server.connect();

    ask(&client, "Hello Server", "You said: Hello Server");
    ask(&client, "", "You said: ");
    ask(&client, " ERROR\r\n", "You said:  ERROR\r\n");
}

/// Characters are not bytes: this text has 6 of the one and 10 of the other.
#[test]
fn the_length_counts_bytes() {
    let server = Server::start(program(), &[]);
    let client = server.connect();

    send(&client, format!("{:<64}wörld😀", "10"));

    assert_eq!(hear_message(&client), "You said: wörld😀");
}

#[test]
fn a_message_may_come_byte_by_byte() {
    let server = Server::start(program(), &[]);
    let client = server.connect();

    send_byte_by_byte(&client, &message("wörld"));

    assert_eq!(hear_message(&client), "You said: wörld");
}

#[test]
fn a_message_may_be_split_at_any_place() {
    let server = Server::start(program(), &[]);
    let client = server.connect();
    client.set_nodelay(true).unwrap();
    let bytes = message("wörld");

    for place in 1..bytes.len() {
        send(&client, &bytes[..place]);
        send(&client, &bytes[place..]);
        assert_eq!(hear_message(&client), "You said: wörld", "{place}");
    }
}

#[test]
fn five_hundred_messages_may_come_in_one_piece() {
    let server = Server::start(program(), &[]);
    let client = server.connect();
    let texts: Vec<_> = (0..500).map(|n| format!("message {n}")).collect();

    send(&client, texts.iter().map(message).collect::<Vec<_>>().concat());
    end(&client);

    for text in texts {
        assert_eq!(hear_message(&client), format!("You said: {text}"));
    }
    assert_eq!(hear_all(&client), b"");
}

#[test]
fn a_header_that_is_no_length_is_answered_and_ends_the_visit() {
    let server = Server::start(program(), &[]);
    let not_lengths = [
        "", "-1", "+5", " 5", "5 5", "5\0", "5\n", "5\t", "0x5", "1_000",
        "5.0", "five", "٣", "5ö",
    ];
    for text in not_lengths {
        let client = server.connect();
        let mut header = text.as_bytes().to_vec();
        header.resize(64, b' ');

        send(&client, header);
        // Unread input must not destroy the answer.
        send(&client, message("Hello Server!"));

        let answer = hear_message(&client);
        assert!(answer.starts_with("ERROR not a length: "), "{answer}");
        assert_eq!(hear_all(&client), b"", "{text:?}");
    }
    good_visit(server.address());
}

#[test]
fn leading_zeros_are_digits() {
    let server = Server::start(program(), &[]);
    let client = server.connect();

    send(&client, format!("{:0>64}Hello Server!", "13"));

    assert_eq!(hear_message(&client), "Hello Client!");
}

#[test]
fn a_length_over_the_limit_is_answered_and_ends_the_visit() {
    let mut server = Server::start(program(), &["--max-message", "100"]);
    for length in ["101", "9999999999999999", &"9".repeat(64)] {
        let client = server.connect();
        let peer = client.local_addr().unwrap();

        send(&client, header(length));

        let why = format!("{length} bytes are over the limit of 100");
        assert_eq!(hear_message(&client), format!("ERROR {why}"));
        assert_eq!(hear_all(&client), b"");
        assert_eq!(server.complains("ERROR"), format!("[ERROR] {peer} {why}"));
    }
    let client = server.connect();
    let text = "x".repeat(100);
    ask(&client, &text, &format!("You said: {text}"));
}

#[test]
fn the_limit_is_a_mebibyte_unless_told_otherwise() {
    let server = Server::start(program(), &[]);
    let client = server.connect();
    let text = "x".repeat(1024 * 1024);

    ask(&client, &text, &format!("You said: {text}"));
    send(&client, header(1024 * 1024 + 1));

    assert!(hear_message(&client).starts_with("ERROR "));
}

/// Fifty clients announce a gigabyte each, and send one byte of it.
#[cfg(target_os = "linux")]
#[test]
fn an_announced_length_alone_costs_no_memory() {
    let limits = ["--max-message", "1000000000", "--timeout", "1"];
    let mut server = Server::start(program(), &limits);

    let clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &clients {
        send(client, [&header(1_000_000_000)[..], b"x"].concat());
    }
    for _ in &clients {
        server.says(": 1 of 1000000000 bytes of the body had come");
    }

    // Threads reserve some address space, too: a fraction of this.
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.id()));
    let status = status.unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmPeak:"));
    let peak = peak.unwrap().split_whitespace().nth(1).unwrap();
    assert!(peak.parse::<u64>().unwrap() < 10_000_000, "{peak} kB");
}

#[test]
fn a_body_that_is_not_utf8_is_answered_and_the_visit_goes_on() {
    let mut server = Server::start(program(), &[]);
    let client = server.connect();

    send(&client, message(b"w\xc3"));

    let answer = hear_message(&client);
    assert_eq!(answer, "ERROR byte 1 of the message is not UTF-8");
    assert!(server.says("[RECEIVED]").ends_with(r"2 bytes: w\xc3"));
    ask(&client, "Hello Server!", "Hello Client!");
}

#[test]
fn the_end_between_two_messages_is_no_error() {
    let mut server = Server::start(program(), &[]);

    good_visit(server.address());

    server.says("[CLOSED]");
    #[cfg(unix)]
    assert!(server.stop().stderr.is_empty());
}

#[test]
fn the_end_inside_a_message_is_an_error_with_counts() {
    let mut server = Server::start(program(), &[]);
    let bytes = message("Hello Server!");
    let cuts = [
        (1, "1 of 64 bytes of the header"),
        (63, "63 of 64 bytes of the header"),
        (64, "0 of 13 bytes of the body"),
        (76, "12 of 13 bytes of the body"),
    ];
    for (place, counts) in cuts {
        let client = server.connect();
        let peer = client.local_addr().unwrap();

        send(&client, &bytes[..place]);
        end(&client);

        assert_eq!(hear_all(&client), b"");
        let why = format!("the connection ended: {counts} had come");
        assert_eq!(server.complains("["), format!("[ERROR] {peer} {why}"));
    }
}

#[test]
fn a_reset_inside_a_message_is_an_error_with_counts() {
    let mut server = Server::start(program(), &[]);
    let client = server.connect();
    ask(&client, "x", "You said: x");
    send(&client, header(5));

    peer::reset(client);

    let line = server.complains("[ERROR]");
    assert!(line.contains("connection reset: "), "{line}");
    good_visit(server.address());
}

/// The time-out counts for the message, not for each read of it.
#[test]
fn a_drip_feeder_has_the_time_out_for_the_whole_message() {
    let mut server = Server::start(program(), &["--timeout", "1"]);
    let drip = server.connect();
    let peer = drip.local_addr().unwrap();
    let begin = Instant::now();

    let dripping = thread::Builder::new().spawn(move || {
        for byte in message("Hello Server!") {
            thread::sleep(Duration::from_millis(100));
            if std::io::Write::write_all(&mut &drip, &[byte]).is_err() {
                break;
            }
        }
    });

    let line = server.says("[TIMED OUT]");
    let elapsed = begin.elapsed();
    assert!(line.starts_with(&format!("[TIMED OUT] {peer} ")), "{line}");
    assert!(line.contains(" of 64 bytes of the header had come"), "{line}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    dripping.unwrap().join().unwrap();
}

#[test]
fn silence_before_a_message_has_a_time_out_of_its_own() {
    let mut server = Server::start(program(), &["--timeout", "2"]);
    let client = server.connect();

    // Together longer than the time-out, each part shorter.
    thread::sleep(Duration::from_millis(1300));
    send(&client, header(1));
    thread::sleep(Duration::from_millis(1300));
    send(&client, "x");
    assert_eq!(hear_message(&client), "You said: x");

    assert_eq!(hear_all(&client), b"");
    let peer = client.local_addr().unwrap();
    let line = server.says("[TIMED OUT]");
    assert_eq!(line, format!("[TIMED OUT] {peer} took too long"));
}

#[test]
fn a_silent_client_does_not_hold_up_a_busy_one() {
    let server = Server::start(program(), &[]);
    let silent = server.connect();
    let half = server.connect();
    send(&half, "1");

    good_visit(server.address());

    ask(&silent, "Hello Server!", "Hello Client!");
}

#[test]
fn one_more_than_the_limit_is_told_so_in_a_message() {
    let server = Server::start(program(), &["--max-clients", "1"]);
    let inside = server.connect();
    ask(&inside, "x", "You said: x");

    let outside = server.connect();
    send(&outside, message("Hello Server!"));

    assert_eq!(hear_message(&outside), "ERROR Server is full.");
    assert_eq!(hear_all(&outside), b"");
}

#[test]
fn a_reset_is_one_line_and_nobody_elses() {
    contract::a_reset_is_one_line_and_nobody_elses(program(), &[], good_visit);
}

#[cfg(unix)]
#[test]
fn a_suspended_server_keeps_its_clients() {
    contract::a_suspended_server_keeps_its_clients(program(), &[], |client| {
        ask(client, "x", "You said: x");
    });
}

#[cfg(unix)]
#[test]
fn running_out_of_descriptors_is_survived() {
    contract::running_out_of_descriptors_is_survived(
        program(),
        &[],
        good_visit,
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_works_without_descriptors() {
    contract::ctrl_c_works_without_descriptors(program(), &[]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_silent_client_wakes_no_thread() {
    contract::a_silent_client_wakes_no_thread(program(), &[], |client| {
        ask(client, "x", "You said: x");
    });
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
fn ctrl_c_inside_a_message_is_no_error() {
    let mut server = Server::start(program(), &[]);
    let half = server.connect();
    ask(&half, "x", "You said: x");
    send(&half, header(5));
    server.says("[SENT]");

    let ended = server.stop();

    assert!(ended.stderr.is_empty(), "{ended:#?}");
    assert!(ended.took < harness::STOP_TIME, "{:?}", ended.took);
    assert_eq!(hear_all(&half), b"");
}

/// It takes a little of a long reply now and then, so each write gets on.
#[cfg(unix)]
#[test]
fn ctrl_c_is_in_time_though_a_client_reads_slowly() {
    let mut server = Server::start(program(), &["--max-message", "30000000"]);
    let slow = peer::connect_with_little_room(server.address());
    send(&slow, message("x".repeat(20_000_000)));
    server.says("[RECEIVED]");
    let reading = thread::Builder::new().spawn(move || {
        while matches!((&slow).read(&mut [0; 1000]), Ok(1..)) {
            thread::sleep(Duration::from_millis(1));
        }
    });
    thread::sleep(Duration::from_millis(500));

    let ended = server.stop();

    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert!(ended.took < harness::STOP_TIME, "{:?}", ended.took);
    reading.unwrap().join().unwrap();
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
        &["127.0.0.1", "8080", "50", "60", "1048576"],
    );
    contract::help_shows(client(), &["127.0.0.1", "8080"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    contract::wrong_usage_exits_with_2(program());
    contract::wrong_usage_exits_with_2(client());
    run(program(), &["--max-message", "much"]).code(2);
}

#[test]
fn the_client_sends_each_argument_as_a_message() {
    let server = Server::start(program(), &[]);

    let args = ["--port", &server.port(), "Hello Server!", "wörld", ""];
    let ended = run(client(), &args);

    ended.success().stdout("Hello Client!\nYou said: wörld\nYou said: \n");
}

#[test]
fn the_client_sends_each_line_of_stdin_as_a_message() {
    let server = Server::start(program(), &[]);

    let mut command = Command::new(client());
    command.args(["--port", &server.port()]).timeout(PATIENCE);
    let ended = command.write_stdin("Hello Server!\r\none\ntwo").assert();

    ended.success().stdout("Hello Client!\nYou said: one\nYou said: two\n");
}

/// Its messages, as another server sees them.
#[test]
fn the_client_sends_what_the_format_says() {
    let (address, server) = peer::serve_one(|connection| {
        let asked = hear_message(&connection);
        send_byte_by_byte(&connection, &message("answer"));
        asked
    });

    let args = ["--port", &address.port().to_string(), "wörld"];
    run(client(), &args).success().stdout("answer\n");

    assert_eq!(server.join().unwrap(), "wörld");
}

#[test]
fn the_client_says_when_the_server_goes_away() {
    let (address, server) = peer::serve_one(|connection| {
        let _ = hear_message(&connection);
        send(&connection, &message("answer")[..66]);
    });

    let args = ["--port", &address.port().to_string(), "hello"];
    let ended = run(client(), &args);

    let what = format!(
        "[ERROR] the conversation with {address} broke off: the connection ended: 2 \
         of 6 bytes of the body had come\n"
    );
    ended.code(1).stdout("").stderr(predicate::str::starts_with(what));
    server.join().unwrap();
}

/// So much that it cannot all be sent before the server has had enough.
#[test]
fn the_client_prints_a_refusal_that_comes_while_it_still_sends() {
    let server = Server::start(program(), &[]);
    let mut command = Command::new(client());
    command.args(["--port", &server.port()]).timeout(PATIENCE);

    let ended = command.write_stdin("x".repeat(30_000_000)).assert();

    let why = "ERROR 30000000 bytes are over the limit of 1048576\n";
    ended.code(1).stdout(why).stderr(contains("broke off"));
}

#[test]
fn the_client_says_when_the_server_speaks_otherwise() {
    let (address, server) = peer::serve_one(|connection| {
        let mut connection = connection;
        send(&connection, [b'x'; 200]);
        let _ = connection.read(&mut [0; 1024]);
    });

    let args = ["--port", &address.port().to_string(), "hello"];
    let ended = run(client(), &args);

    ended.code(1).stderr(contains("broke off: not a length"));
    server.join().unwrap();
}

#[test]
fn the_client_says_when_nobody_listens() {
    let (_nobody, port) = port_of_nobody();
    let port = port.to_string();

    let ended = run(client(), &["--port", &port, "hello"]);

    ended.code(1).stdout("").stderr(contains("nobody listens there"));
}
