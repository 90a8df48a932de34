//! Lesson 03: many clients at once, the limit, the time-out.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use assert_cmd::assert::OutputAssertExt;
use assert_cmd::cargo::cargo_bin;
use harness::contract::{self, run};
use harness::peer::{self, connect, end, hear, hear_all, send};
use harness::{PATIENCE, Server, port_of_nobody};
use predicates::str::{contains, starts_with};

const FULL: &[u8] = b"Server is full.\r\n";

fn program() -> &'static Path {
    cargo_bin!("03_threads")
}

fn client() -> &'static Path {
    cargo_bin!("03_client")
}

/// A client who does as one should.
fn good_visit(address: SocketAddr) {
    let client = connect(address);
    say_and_hear(&client, "hello\n");
    end(&client);
    assert_eq!(hear_all(&client), b"");
}

#[track_caller]
fn say_and_hear(client: &TcpStream, text: &str) {
    send(client, text);
    assert_eq!(hear(client, text.len()), text.as_bytes());
}

#[test]
fn what_is_sent_comes_back_byte_for_byte_until_the_client_ends() {
    let server = Server::start(program(), &[]);
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let client = server.connect();
    let speaker = client.try_clone().unwrap();
    let bytes = every_byte.clone();

    let speaking = thread::Builder::new().spawn(move || {
        send(&speaker, bytes);
        end(&speaker);
    });

    assert!(hear_all(&client) == every_byte);
    speaking.unwrap().join().unwrap();
}

/// When the buffers are full, a write takes less than it is given.
#[test]
fn who_reads_late_gets_every_byte() {
    let server = Server::start(program(), &[]);
    let client = server.connect();
    let speaker = client.try_clone().unwrap();
    let bytes: Vec<u8> = (0..=250).cycle().take(20_000_000).collect();
    let expected = bytes.clone();

    let speaking = thread::Builder::new().spawn(move || {
        send(&speaker, bytes);
        end(&speaker);
    });
    // Long enough for all buffers to fill.
    thread::sleep(Duration::from_millis(700));

    assert!(hear_all(&client) == expected);
    speaking.unwrap().join().unwrap();
}

#[test]
fn each_chunk_is_an_event_of_at_most_1024_bytes() {
    let mut server = Server::start(program(), &[]);
    let client = server.connect();
    let peer = client.local_addr().unwrap();

    send(&client, [b'x'; 3000]);
    end(&client);
    assert_eq!(hear_all(&client).len(), 3000);
    server.says("[CLOSED]");

    let prefix = format!("[RECEIVED] {peer} ");
    let counts: Vec<usize> = server
        .said()
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(counts.len() >= 3 && counts.iter().all(|n| *n <= 1024));
    assert_eq!(counts.iter().sum::<usize>(), 3000, "{counts:?}");
}

#[test]
fn what_it_prints_of_a_client_is_escaped() {
    let mut server = Server::start(program(), &[]);
    let client = server.connect();
    let peer = client.local_addr().unwrap();

    send(&client, b"a\x1b[2J\0\r\n\xff");

    let line = server.says("[RECEIVED]");
    let text = r"9 bytes: a\u{1b}[2J\0\r\n\xff";
    assert_eq!(line, format!("[RECEIVED] {peer} {text}"));
}

#[test]
fn a_silent_client_does_not_hold_up_a_busy_one() {
    let server = Server::start(program(), &[]);
    let silent = server.connect();

    let busy = server.connect();
    for _ in 0..100 {
        say_and_hear(&busy, "still here\n");
    }

    say_and_hear(&silent, "so am I\n");
}

#[test]
fn a_client_who_does_not_read_does_not_hold_up_a_busy_one() {
    let server = Server::start(program(), &[]);
    let stuffed = server.connect();
    peer::stuff(&stuffed);

    good_visit(server.address());
}

#[test]
fn one_more_than_the_limit_is_told_so_and_closed() {
    let mut server = Server::start(program(), &["--max-clients", "2"]);
    // Whoever has left no longer counts, neither here nor as one of a crowd.
    for _ in 0..100 {
        good_visit(server.address());
    }
    let (one, two) = (server.connect(), server.connect());
    say_and_hear(&one, "1");
    say_and_hear(&two, "2");

    let three = server.connect();
    // Unread input must not destroy the answer.
    send(&three, "hello? hello?\n");

    assert_eq!(hear_all(&three), FULL);
    let peer = three.local_addr().unwrap();
    assert_eq!(server.says("[REFUSED]"), format!("[REFUSED] {peer} (2 of 2)"));
    say_and_hear(&one, "still here");
}

#[test]
fn who_leaves_makes_room() {
    let server = Server::start(program(), &["--max-clients", "1"]);

    // Each comes as soon as the one before has seen the end.
    for _ in 0..50 {
        good_visit(server.address());
    }
}

#[test]
fn who_is_reset_makes_room() {
    let mut server = Server::start(program(), &["--max-clients", "1"]);
    for _ in 0..5 {
        let client = server.connect();
        say_and_hear(&client, "x");

        peer::reset(client);

        server.says("[CLOSED]");
    }
    good_visit(server.address());
}

/// More refusals at once than can be seen out: nobody waits for them.
#[test]
fn a_crowd_at_the_door_does_not_hold_up_those_inside() {
    let server = Server::start(program(), &["--max-clients", "1"]);
    let inside = server.connect();
    say_and_hear(&inside, "x");

    let crowd: Vec<_> = (0..80).map(|_| server.connect()).collect();

    for client in &crowd {
        assert_eq!(hear(client, FULL.len()), FULL);
    }
    say_and_hear(&inside, "still here");
}

/// Each refusal may linger for a second, so before that is over, a crowd of
/// them would be a crowd of threads. (On a busy machine the crowd itself may
/// take as long; then it comes again.)
#[cfg(target_os = "linux")]
#[test]
fn a_crowd_at_the_door_does_not_become_a_crowd_of_threads() {
    let server = Server::start(program(), &["--max-clients", "1"]);
    let inside = server.connect();
    say_and_hear(&inside, "x");
    let tasks = format!("/proc/{}/task", server.id());
    let threads = || std::fs::read_dir(&tasks).unwrap().count();

    let is_small = || {
        let begin = Instant::now();
        let crowd: Vec<_> = (0..200).map(|_| server.connect()).collect();
        for client in &crowd {
            assert_eq!(hear(client, FULL.len()), FULL);
        }
        // One inside, 50 that linger; main and the one that hears Ctrl-C.
        while threads() > 55 && begin.elapsed() < Duration::from_millis(900) {
            thread::sleep(Duration::from_millis(10));
        }
        begin.elapsed() < Duration::from_millis(900)
    };
    assert!((0..10).any(|_| is_small()));
}

#[test]
fn fifty_clients_are_the_limit_unless_told_otherwise() {
    let server = Server::start(program(), &[]);
    let inside: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &inside {
        say_and_hear(client, "x");
    }

    assert_eq!(hear_all(&server.connect()), FULL);
}

#[test]
#[ignore = "needs more open files than some systems allow a program"]
fn a_thousand_clients_at_once_are_all_served() {
    let server = Server::start(program(), &["--max-clients", "1000"]);
    let clients: Vec<_> = (0..1000).map(|_| server.connect()).collect();

    for client in &clients {
        send(client, "x");
    }
    for client in &clients {
        assert_eq!(hear(client, 1), b"x");
    }
}

#[test]
fn who_is_silent_for_the_time_out_is_let_go() {
    let mut server = Server::start(program(), &["--timeout", "1"]);
    let silent = server.connect();
    let peer = silent.local_addr().unwrap();
    let begin = Instant::now();

    assert_eq!(hear_all(&silent), b"");

    let elapsed = begin.elapsed();
    assert!(elapsed > Duration::from_millis(900), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    let line = server.says("[TIMED OUT]");
    assert!(line.starts_with(&format!("[TIMED OUT] {peer} ")), "{line}");
    good_visit(server.address());
}

/// Slow is not silent.
#[test]
fn who_says_a_little_now_and_then_is_not_let_go() {
    let server = Server::start(program(), &["--timeout", "1"]);
    let slow = server.connect();

    for _ in 0..6 {
        say_and_hear(&slow, "x");
        thread::sleep(Duration::from_millis(300));
    }

    say_and_hear(&slow, "still here");
}

#[test]
fn who_takes_nothing_for_the_time_out_is_let_go() {
    let mut server = Server::start(program(), &["--timeout", "1"]);
    let stuffed = server.connect();
    let peer = stuffed.local_addr().unwrap();
    peer::stuff(&stuffed);

    server.says(&format!("[TIMED OUT] {peer}"));
}

#[test]
fn a_reset_is_one_line_and_nobody_elses() {
    contract::a_reset_is_one_line_and_nobody_elses(program(), &[], good_visit);
}

/// A thread needs memory for its stack; where that is limited, some clients
/// find no thread. Only Linux counts it so.
#[cfg(target_os = "linux")]
#[test]
fn a_client_for_whom_there_is_no_thread_is_one_line() {
    let limits = ["--max-clients", "1000"];
    let mut server = Server::start_limited(program(), "-v 100000", &limits);
    let crowd: Vec<_> = (0..60).map(|_| server.connect()).collect();

    server.complains("the system has no thread left");

    let count = crowd.len();
    drop(crowd);
    for _ in 0..count {
        server.says("[CLOSED]");
    }
    good_visit(server.address());
    assert_eq!(server.stop().status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_suspended_server_keeps_its_clients() {
    contract::a_suspended_server_keeps_its_clients(program(), &[], |client| {
        say_and_hear(client, "x");
    });
}

/// While the server cannot accept, the kernel lets them queue. Elsewhere the
/// system's own limit is often 128.
#[cfg(target_os = "linux")]
#[test]
fn a_crowd_finds_room_in_the_queue() {
    use harness::Signal;

    let server = Server::start(program(), &["--max-clients", "300"]);
    server.signal(Signal::SIGSTOP);

    let crowd: Vec<_> = (0..200)
        .map(|_| {
            let a_while = Duration::from_millis(900);
            TcpStream::connect_timeout(&server.address(), a_while).unwrap()
        })
        .collect();

    server.signal(Signal::SIGCONT);
    say_and_hear(crowd.last().unwrap(), "x");
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
        say_and_hear(client, "x");
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

/// At a broadcast address nobody can call, the program itself included.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_works_where_nobody_can_connect() {
    for host in ["127.255.255.255", "0.0.0.0"] {
        let server = Server::start(program(), &["--host", host]);

        let ended = server.stop();

        assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
        assert!(ended.took < harness::STOP_TIME, "{:?}", ended.took);
    }
}

/// Silent, talking, not reading, and one who never closes.
#[cfg(unix)]
#[test]
fn ctrl_c_is_in_time_whatever_the_clients_do() {
    let mut server = Server::start(program(), &[]);
    let silent = server.connect();
    let stuffed = server.connect();
    peer::stuff(&stuffed);
    let talking = server.connect();
    let talk = thread::Builder::new().spawn(move || {
        let say = || std::io::Write::write_all(&mut &talking, b"x");
        let hear = || (&talking).read(&mut [0; 16]);
        while say().is_ok() && matches!(hear(), Ok(1..)) {}
    });
    server.says(&stuffed.local_addr().unwrap().to_string());

    let ended = server.stop();

    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.stderr);
    assert!(ended.took < harness::STOP_TIME, "{:?}", ended.took);
    assert!(ended.stderr.is_empty(), "{:?}", ended.stderr);
    assert_eq!(hear_all(&silent), b"");
    talk.unwrap().join().unwrap();
}

/// While a client who does not close is still being seen out.
#[cfg(unix)]
#[test]
fn ctrl_c_lets_nobody_else_in() {
    let server = Server::start(program(), &[]);
    let address = server.address();
    let silent = server.connect();
    say_and_hear(&silent, "x");

    let stopping = thread::Builder::new().spawn(move || server.stop());
    assert_eq!(hear_all(&silent), b"");
    let begin = Instant::now();
    let refused = || {
        let a_while = Duration::from_millis(200);
        let next = TcpStream::connect_timeout(&address, a_while);
        next.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    while !refused() {
        assert!(begin.elapsed() < Duration::from_millis(500));
    }

    let ended = stopping.unwrap().join().unwrap();
    assert_eq!(ended.last_line(), "[STOPPED] clients served: 1, refused: 0");
    assert!(begin.elapsed() > Duration::from_millis(500), "it was too late");
}

#[cfg(unix)]
#[test]
fn the_last_line_has_the_totals() {
    let server = Server::start(program(), &["--max-clients", "1"]);
    for _ in 0..3 {
        good_visit(server.address());
    }
    let inside = server.connect();
    say_and_hear(&inside, "x");
    assert_eq!(hear_all(&server.connect()), FULL);

    let ended = server.stop();

    let totals = "[STOPPED] clients served: 4, refused: 1";
    assert_eq!(ended.last_line(), totals);
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
    contract::help_shows(program(), &["127.0.0.1", "8080", "50", "60"]);
    contract::help_shows(client(), &["127.0.0.1", "8080"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    contract::wrong_usage_exits_with_2(program());
    contract::wrong_usage_exits_with_2(client());
    for flag in ["--max-clients", "--timeout"] {
        run(program(), &[flag, "0"]).code(2).stderr(contains(flag));
        run(program(), &[flag, "-1"]).code(2);
    }
    // More than a day would make no sense, and far more would overflow.
    let centuries = u64::MAX.to_string();
    run(program(), &["--timeout", &centuries]).code(2);
}

#[test]
fn the_client_says_each_argument_as_a_line() {
    let server = Server::start(program(), &[]);

    let args = ["--port", &server.port(), "hello", "wörld"];

    run(client(), &args).success().stdout("hello\nwörld\n").stderr("");
}

#[test]
fn the_client_says_the_lines_of_stdin() {
    let server = Server::start(program(), &[]);
    let lines = "line\n".repeat(100_000) + "no newline";

    let mut command = Command::new(client());
    command.args(["--port", &server.port()]).timeout(PATIENCE);
    let ended = command.write_stdin(lines.clone()).assert();

    ended.success().stdout(lines).stderr("");
}

/// All has been said and heard: that is a finished job.
#[test]
fn the_client_prints_the_refusal() {
    let server = Server::start(program(), &["--max-clients", "1"]);
    let inside = server.connect();
    say_and_hear(&inside, "x");
    let port = server.port();

    for _ in 0..10 {
        let ended = run(client(), &["--port", &port, "hello"]);

        ended.success().stdout(FULL).stderr("");
    }
}

#[test]
fn the_client_fails_if_it_still_had_something_to_say() {
    let server = Server::start(program(), &["--max-clients", "1"]);
    let inside = server.connect();
    say_and_hear(&inside, "x");

    let mut client = std::process::Command::new(client())
        .args(["--port", &server.port()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever holds the other end of its stdin may still write.
    let stdin = client.stdin.take();
    let ended = client.wait_with_output().unwrap().assert();

    ended.code(1).stdout(FULL).stderr(contains("broke off"));
    drop(stdin);
}

#[cfg(unix)]
#[test]
fn the_client_says_when_it_cannot_read_its_input() {
    let server = Server::start(program(), &[]);

    let client = std::process::Command::new(client())
        .args(["--port", &server.port()])
        .stdin(std::fs::File::open("/").unwrap())
        .output();

    let ended = client.unwrap().assert();
    ended.code(1).stdout("").stderr(starts_with("[ERROR] cannot read stdin"));
}

#[cfg(unix)]
#[test]
fn a_suspended_client_goes_on() {
    let server = Server::start(program(), &[]);
    let mut client = std::process::Command::new(client())
        .args(["--port", &server.port()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"one\n").unwrap();
    client.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();

    harness::suspend(client.id());
    std::io::Write::write_all(&mut stdin, b"two\n").unwrap();
    drop(stdin);

    client.wait_with_output().unwrap().assert().success().stdout("two\n");
}

#[test]
fn the_client_says_when_the_server_goes_away() {
    let (address, server) = peer::serve_one(|connection| {
        let mut connection = connection;
        let _ = connection.read(&mut [0; 16]).unwrap();
        send(&connection, "he");
        peer::reset(connection);
    });

    let args = ["--port", &address.port().to_string(), "hello"];
    let ended = run(client(), &args);

    let what = format!(
        "[ERROR] the conversation with {address} broke off: connection reset\n"
    );
    ended.code(1).stderr(starts_with(what));
    server.join().unwrap();
}

#[test]
fn the_client_says_when_nobody_listens() {
    let (_nobody, port) = port_of_nobody();
    let port = port.to_string();

    let ended = run(client(), &["--port", &port, "hello"]);

    ended.code(1).stdout("").stderr(contains("nobody listens there"));
}
