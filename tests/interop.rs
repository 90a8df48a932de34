//! The course among strangers: Python programs from the other side, the
//! system's own clients, and a real terminal.
//!
//! `.ci/run` installs what is needed here and runs these tests. By hand:
//! `cargo test --test interop -- --ignored`.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use assert_cmd::cargo::cargo_bin;
use harness::{PATIENCE, Server};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

/// A script in `tests/python`.
fn script(name: &str) -> String {
    format!("{}/tests/python/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a program of the system, with `input` as its stdin.
#[track_caller]
fn run(program: &str, args: &[&str], input: &str) -> Assert {
    let mut command = Command::new(program);
    command.args(args).write_stdin(input).timeout(PATIENCE);
    command.assert()
}

#[track_caller]
fn run_python(name: &str, args: &[&str]) -> Assert {
    run("python3", &[&[&*script(name)], args].concat(), "")
}

/// One of the small servers in `server.py`.
#[track_caller]
fn python_server(args: &[&str]) -> Server {
    let mut command = std::process::Command::new("python3");
    command.arg(script("server.py")).args(args);
    Server::spawn(command)
}

#[track_caller]
fn run_client(program: &Path, server: &Server, args: &[&str]) -> Assert {
    let port = server.port();
    let args = [&["--port", &port], args].concat();
    run(program.to_str().unwrap(), &args, "")
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_is_greeted() {
    let greeting = ["--message", "Welcome!"];
    let server = Server::start(cargo_bin!("02_accept_send_close"), &greeting);

    let ended = run_python("greeting_client.py", &[&server.port()]);

    ended.success().stdout("Welcome!\r\n");
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_exchanges_messages() {
    let server = Server::start(cargo_bin!("04_length_prefix"), &[]);

    let args = [&*server.port(), "Hello Server!", "wörld 😀", ""];
    let ended = run_python("message_client.py", &args);

    let expected = "Hello Client!\nYou said: wörld 😀\nYou said: \n";
    ended.success().stdout(expected);
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_uploads_a_file() {
    let dir = TempDir::new().unwrap();
    let received = dir.path().join("received");
    let path = dir.path().join("my holiday.jpg");
    let content: Vec<u8> = (0..=255).cycle().take(5_000_000).collect();
    fs::write(&path, &content).unwrap();
    let args = ["--dir", received.to_str().unwrap()];
    let server = Server::start(cargo_bin!("05_file_transfer"), &args);

    let args = [&*server.port(), path.to_str().unwrap()];
    let ended = run_python("uploader.py", &args);

    ended.success().stdout("READY\nSAVED 5000000 my holiday.jpg\n");
    assert!(fs::read(received.join("my holiday.jpg")).unwrap() == content);
}

#[test]
#[ignore = "needs python3"]
fn our_clients_talk_to_python_servers() {
    let server = python_server(&["02"]);
    let ended = run_client(cargo_bin!("02_client"), &server, &[]);
    ended.success().stdout("Welcome! wörld\r\n");

    let server = python_server(&["03"]);
    let ended = run_client(cargo_bin!("03_client"), &server, &["a", "b"]);
    ended.success().stdout("a\nb\n");

    let server = python_server(&["04"]);
    let ended = run_client(cargo_bin!("04_client"), &server, &["a", "ö"]);
    ended.success().stdout("heard: a\nheard: ö\n");
}

#[test]
#[ignore = "needs python3"]
fn our_client_uploads_to_a_python_server() {
    let dir = TempDir::new().unwrap();
    let server = python_server(&["05", dir.path().to_str().unwrap()]);
    let path = script("server.py");

    let ended = run_client(cargo_bin!("05_client"), &server, &[&path]);

    ended.success().stdout(contains("SAVED "));
    let copy = fs::read(dir.path().join("server.py")).unwrap();
    assert!(copy == fs::read(path).unwrap());
}

/// The order decides what a power cut leaves: first the bytes are on the
/// disk, then they get their name.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn a_file_is_synced_before_it_gets_its_name() {
    let dir = TempDir::new().unwrap();
    let args = ["--dir", dir.path().to_str().unwrap()];
    let server = Server::start(cargo_bin!("05_file_transfer"), &args);
    let mut strace = std::process::Command::new("strace")
        .args(["--follow-forks", "--trace=fsync,renameat2,linkat"])
        .args(["--attach", &server.id().to_string()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut trace = lines(strace.stderr.take().unwrap());
    assert!(trace.next().unwrap().contains("attached"));

    let path = script("server.py");
    run_client(cargo_bin!("05_client"), &server, &[&path]).success();
    drop(server);

    // strace ends with the process that it follows.
    let trace: Vec<_> = trace.collect();
    strace.wait().unwrap();
    let calls = trace.iter().filter(|line| line.ends_with(" = 0"));
    let calls: Vec<_> = calls.map(|line| line.contains("fsync(")).collect();
    assert_eq!(calls, [true, false], "{trace:#?}");
}

#[cfg(target_os = "linux")]
fn lines(pipe: impl std::io::Read) -> impl Iterator<Item = String> {
    use std::io::{BufRead, BufReader};

    BufReader::new(pipe).lines().map(Result::unwrap)
}

/// Clients that receive until the server closes.
#[test]
#[ignore = "needs nc, ncat, socat and curl"]
fn the_systems_clients_are_greeted() {
    let server = Server::start(cargo_bin!("02_accept_send_close"), &[]);
    let port = server.port();
    let address = server.address().to_string();
    let clients: [(&str, &[&str]); 5] = [
        ("nc", &["-N", "127.0.0.1", &port]),
        ("nc", &["-d", "127.0.0.1", &port]),
        ("ncat", &["--recv-only", "127.0.0.1", &port]),
        ("socat", &["-u", &format!("TCP:{address}"), "-"]),
        ("curl", &["--silent", &format!("telnet://{address}")]),
    ];
    for (program, args) in clients {
        let ended = run(program, args, "");

        ended.success().stdout("Connection Established\r\n");
    }
}

/// Clients that say something, end their side, and hear it again.
#[test]
#[ignore = "needs nc, ncat and socat"]
fn the_systems_clients_hear_what_they_say() {
    let server = Server::start(cargo_bin!("03_threads"), &[]);
    let port = server.port();
    let address = server.address().to_string();
    let lines = "line\n".repeat(100_000);
    let clients: [(&str, &[&str]); 3] = [
        ("nc", &["-N", "127.0.0.1", &port]),
        ("ncat", &["127.0.0.1", &port]),
        ("socat", &["-", &format!("TCP:{address}")]),
    ];
    for (program, args) in clients {
        run(program, args, &lines).success().stdout(lines.clone());
    }
}

/// curl does not end its side when its input ends: the time-out does.
#[test]
#[ignore = "needs curl"]
fn curl_hears_what_it_says() {
    let server = Server::start(cargo_bin!("03_threads"), &["--timeout", "1"]);
    let url = format!("telnet://{}", server.address());

    let ended = run("curl", &["--silent", &url], "hello\n");

    ended.success().stdout("hello\n");
}

/// In a terminal the tags have colours, and Ctrl-C is a key.
#[test]
#[ignore = "needs python3 and a Unix terminal"]
fn a_terminal_gets_colours_and_a_clean_end() {
    let server = cargo_bin!("03_threads").to_str().unwrap();
    let args = ["(Ctrl-C", server, "--port", "0"];

    let ended = run_python("terminal.py", &args);

    ended
        .success()
        .stdout(contains("\x1b[32m[LISTENING]\x1b[0m 127.0.0.1:"))
        .stdout(contains("clients served: 0, refused: 0"));
}

#[test]
#[ignore = "needs python3 and a Unix terminal"]
fn no_color_is_obeyed() {
    let server = cargo_bin!("03_threads").to_str().unwrap();
    let mut command = Command::new("python3");
    command.arg(script("terminal.py")).arg("(Ctrl-C");
    command.args([server, "--port", "0"]).timeout(PATIENCE);

    let ended = command.env("NO_COLOR", "1").assert();

    ended.success().stdout(predicate::str::starts_with("[LISTENING] "));
}

/// What a server sends cannot play with the terminal.
#[test]
#[ignore = "needs python3 and a Unix terminal"]
fn a_clients_terminal_is_not_played_with() {
    let message = ["--message", "\x1b[2J wörld"];
    let server = Server::start(cargo_bin!("02_accept_send_close"), &message);
    let client = cargo_bin!("02_client").to_str().unwrap();

    let args = ["", client, "--port", &server.port()];
    let ended = run_python("terminal.py", &args);

    ended.success().stdout("\\u{1b}[2J wörld\r\n");
}

#[test]
#[ignore = "needs python3 and a Unix terminal"]
fn an_upload_in_a_terminal_has_a_progress_bar() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, vec![b'x'; 50_000_000]).unwrap();
    let received = dir.path().join("received");
    let args = ["--dir", received.to_str().unwrap()];
    let server = Server::start(cargo_bin!("05_file_transfer"), &args);
    let client = cargo_bin!("05_client").to_str().unwrap();

    let port = server.port();
    let args = ["", client, "--port", &port, path.to_str().unwrap()];
    let ended = run_python("terminal.py", &args);

    ended
        .success()
        .stdout(contains("/47.68 MiB"))
        .stdout(contains("SAVED 50000000 file"));
}
