//! The stranger, let in to the first versions and to the lessons' programs:
//! what it says of them in the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test and its helpers stop at the first surprise"
)]

#[path = "first_versions/copy.rs"]
mod copy;
#[path = "first_versions/open.rs"]
mod open;

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use copy::{first, first_with};
use harness::contract::{self, run};
use harness::peer::serve_one;
use harness::{PATIENCE, Server, port_of_nobody};
use open::Open;
use predicates::str::contains;
use tempfile::TempDir;

const SERVED: &str = "and the next client was served";
const IN_VAIN: &str = "and the next client waits in vain";
#[cfg(unix)]
const NOBODY: &str = "and nobody gets in any more";

fn program() -> &'static Path {
    cargo_bin!("stranger")
}

/// Lets the stranger in; returns all that it says.
#[track_caller]
fn tale(address: SocketAddr, how: &[&str]) -> String {
    let port = address.port().to_string();
    let ended = run(program(), &[how, &["--port", &port]].concat());
    let output = ended.code(0).stderr("").get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts how a server bears the stranger: the verdict, and something that
/// stands in front of it.
#[track_caller]
fn hears(address: SocketAddr, how: &[&str], words: &str, verdict: &str) {
    let tale = tale(address, how);

    let last = tale.lines().last().unwrap_or_default();
    assert_eq!(last, format!("[VERDICT] the server {verdict}"), "{tale}");
    assert!(tale.starts_with("[DO] connect to 127.0.0.1:"), "{tale}");
    assert!(tale.contains(words), "{words:?}: {tale}");
}

fn start_first(name: &str) -> Server {
    Server::start(first(name), &[])
}

/// A server of lesson 05 in a folder of its own, and that folder.
fn start_in_folder(mut command: Command) -> (Server, TempDir) {
    let folder = TempDir::new().unwrap();
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    command.current_dir(work);
    (Server::spawn(command), folder)
}

fn first_05() -> (Server, TempDir) {
    start_in_folder(Command::new(first("05_first")))
}

fn lesson_05() -> (Server, TempDir) {
    let mut command = Command::new(cargo_bin!("05_file_transfer"));
    command.args(["--port", "0"]);
    start_in_folder(command)
}

#[cfg(target_os = "linux")]
#[test]
fn a_crowd_fills_a_queue_that_nobody_empties() {
    let open = Open::start();
    let lesson = Server::start(cargo_bin!("01_bind_listen"), &[]);
    let words = r#"[HEAR] as the last, 0 bytes: "", then silence"#;

    let verdict = format!("keeps 129 of 150 connections open, {NOBODY}");
    hears(open.address, &["crowd"], words, &verdict);
    let verdict = format!("keeps 3 of 150 connections open, {NOBODY}");
    hears(lesson.address(), &["crowd"], words, &verdict);
}

#[test]
fn nobody_who_is_silent_is_accepted_in_lesson_01() {
    let open = Open::start();

    let verdict = format!("waits for me, {IN_VAIN}");
    hears(open.address, &["silent"], "then silence", &verdict);
}

/// A reset that comes late, when all is sent, breaks nothing. Mostly one of
/// five hundred comes in time; so the stranger may have to come again.
#[cfg(unix)]
#[test]
fn resets_end_the_first_version_of_lesson_02() {
    let first = start_first("02_first");
    let lesson = Server::start(cargo_bin!("02_accept_send_close"), &[]);

    let mut tales = (0..20).map(|_| tale(first.address(), &["reset"]));
    let gone = format!(" resets, {NOBODY}\n");

    assert!(tales.any(|it| it.ends_with(&gone)));
    let verdict = format!("bore 500 resets, {SERVED}");
    hears(lesson.address(), &["reset"], "come and break off", &verdict);
}

#[test]
fn five_hundred_resets_are_nothing_to_threads() {
    let (first, lesson) = (start_first("03_first"), start_lesson_03());

    for server in [&first, &lesson] {
        let verdict = format!("bore 500 resets, {SERVED}");
        hears(server.address(), &["reset"], r#""hello\n""#, &verdict);
    }
}

fn start_lesson_03() -> Server {
    Server::start(cargo_bin!("03_threads"), &[])
}

/// A short message is with the client before the reset is.
#[test]
fn unread_words_destroy_a_long_message() {
    let greeting = r#"b"Connection Established\r\n""#;
    let long = "\"x\".repeat(1_000_000).as_bytes()";
    let first = Server::start(first_with("02_first", greeting, long), &[]);
    let message = "x".repeat(100_000);
    let args = ["--message", &message];
    let lesson = Server::start(cargo_bin!("02_accept_send_close"), &args);

    let verdict = format!("broke off, {SERVED}");
    let words = "then a reset: it left words unread";
    hears(first.address(), &["unread"], words, &verdict);
    let verdict = format!("answered me, {SERVED}");
    let words = "[HEAR] 100002 bytes: ";
    hears(lesson.address(), &["unread"], words, &verdict);
}

#[test]
fn a_deaf_client_locks_out_the_next_from_a_long_message() {
    let greeting = r#"b"Connection Established\r\n""#;
    let long = "\"x\".repeat(20_000_000).as_bytes()";
    let first = Server::start(first_with("02_first", greeting, long), &[]);
    let lesson = Server::start(cargo_bin!("02_accept_send_close"), &[]);

    let verdict = format!("takes no more, {IN_VAIN}");
    hears(first.address(), &["deaf"], "send 500000 bytes", &verdict);
    let verdict = format!("takes no more, {SERVED}");
    hears(lesson.address(), &["deaf"], "send 500000 bytes", &verdict);
}

/// One thread for all: whoever echoes so keeps the others waiting.
#[test]
fn a_silent_client_locks_out_the_next_where_there_is_one_thread() {
    let spawn = "thread::spawn(move || echo(&mut stream));";
    let call = "let _ = thread::scope(|_| echo(&mut stream));";
    let one_thread = Server::start(first_with("03_first", spawn, call), &[]);
    let (first, lesson) = (start_first("03_first"), start_lesson_03());

    let verdict = format!("waits for me, {IN_VAIN}");
    hears(one_thread.address(), &["silent"], "[DO] listen", &verdict);
    for server in [first, lesson] {
        let verdict = format!("waits for me, {SERVED}");
        hears(server.address(), &["silent"], "0 bytes: \"\"", &verdict);
    }
}

#[test]
fn a_deaf_client_holds_up_nobody_where_there_are_threads() {
    for server in [start_first("03_first"), start_lesson_03()] {
        let verdict = format!("takes no more, {SERVED}");
        hears(server.address(), &["deaf"], "6 bytes: \"hello", &verdict);
    }
}

#[test]
fn a_half_closed_client_hears_its_words() {
    for server in [start_first("03_first"), start_lesson_03()] {
        let verdict = format!("answered me, {SERVED}");
        let words = r#"[HEAR] 6 bytes: "hello\n", then the end"#;
        hears(server.address(), &["half-closed"], words, &verdict);
    }
}

#[test]
fn a_crowd_has_a_limit_in_the_lesson_alone() {
    let (first, lesson) = (start_first("03_first"), start_lesson_03());

    let verdict = format!("keeps 100 of 100 connections open, {SERVED}");
    let words = r#"as the last, 6 bytes: "hello\n", then silence"#;
    hears(first.address(), &["crowd", "100"], words, &verdict);
    let verdict = format!("keeps 50 of 100 connections open, {SERVED}");
    let words = r#"as the last, 17 bytes: "Server is full.\r\n", then "#;
    hears(lesson.address(), &["crowd", "100"], words, &verdict);
}

fn start_lesson_04() -> Server {
    Server::start(cargo_bin!("04_length_prefix"), &[])
}

/// Where the first version answers each piece, the lesson answers once.
#[test]
fn pieces_of_a_message_are_put_together_in_the_lesson_alone() {
    let (first, lesson) = (start_first("04_first"), start_lesson_04());

    for how in ["split", "slow"] {
        let verdict = format!("took a piece for a message, {SERVED}");
        let words = r#"bytes: "10 You said: 10 You said: "#;
        hears(first.address(), &[how], words, &verdict);
        let verdict = format!("put the pieces together, {SERVED}");
        let words = r#"80 bytes: "16 You said: wörld", then silence"#;
        hears(lesson.address(), &[how], words, &verdict);
    }
}

#[test]
fn of_two_glued_messages_the_second_is_found_in_the_lesson_alone() {
    let (first, lesson) = (start_first("04_first"), start_lesson_04());

    let verdict = format!("lost the second message, {SERVED}");
    let words = r#"send 134 bytes: "3 one3 two""#;
    hears(first.address(), &["glued"], words, &verdict);
    let verdict = format!("found both messages, {SERVED}");
    let words = r#""13 You said: one13 You said: two""#;
    hears(lesson.address(), &["glued"], words, &verdict);
}

#[test]
fn half_a_message_is_answered_by_the_first_version_alone() {
    let (first, lesson) = (start_first("04_first"), start_lesson_04());

    let verdict = format!("took a piece for a message, {SERVED}");
    let words = "You said: w\u{fffd}\\0\\0\\0\\0";
    hears(first.address(), &["cut"], words, &verdict);
    let verdict = format!("let me go without a word, {SERVED}");
    hears(lesson.address(), &["cut"], "0 bytes: \"\", then the end", &verdict);
}

#[test]
fn a_length_that_lies_is_believed_by_the_first_version_alone() {
    let (mut first, lesson) = (start_first("04_first"), start_lesson_04());

    let verdict = format!("answered with bytes that I did not send, {SERVED}");
    let words = "You said: hie passw";
    hears(first.address(), &["lie"], words, &verdict);
    let verdict = format!("answered the honest message alone, {SERVED}");
    hears(lesson.address(), &["lie"], "then silence", &verdict);

    let verdict = format!("let me go without a word, {SERVED}");
    hears(first.address(), &["giant"], "0 bytes: \"\"", &verdict);
    first.complains("panicked at ");
    let verdict = format!("refused, and said why, {SERVED}");
    let words = "bytes are over the limit of 1048576\"";
    hears(lesson.address(), &["giant"], words, &verdict);
}

#[test]
fn noise_is_answered_or_refused() {
    let (first, lesson) = (start_first("04_first"), start_lesson_04());

    let verdict = format!("took a piece for a message, {SERVED}");
    let words = r#"send 256 bytes: "\xff\xfe\xfd"#;
    hears(first.address(), &["noise"], words, &verdict);
    let verdict = format!("refused, and said why, {SERVED}");
    hears(lesson.address(), &["noise"], "ERROR not a length", &verdict);
}

#[test]
fn a_name_leads_out_of_the_folder_in_the_first_version_alone() {
    let ((first, outside), (lesson, safe)) = (first_05(), lesson_05());

    let verdict = format!("made a file outside of its folder, {SERVED}");
    let words = "5 READY22 SAVED 0 ../escaped.txt";
    hears(first.address(), &["bad-name"], words, &verdict);
    let verdict = format!("refused, and said why, {SERVED}");
    let words = r#"send 142 bytes: "14 ../escaped.txt0 ""#;
    hears(lesson.address(), &["bad-name"], words, &verdict);

    assert!(outside.path().join("work/escaped.txt").exists());
    assert!(!safe.path().join("work/escaped.txt").exists());
}

#[test]
fn a_cut_file_and_an_endless_one_are_taken_by_the_first_version_alone() {
    let ((first, _folder), (lesson, safe)) = (first_05(), lesson_05());

    let verdict =
        format!("says SAVED, and has a hundredth of the file, {SERVED}");
    hears(first.address(), &["short-file"], "[DO] end my side", &verdict);
    let verdict = format!("says READY to that, and not SAVED, {SERVED}");
    hears(lesson.address(), &["short-file"], "\"5 READY\", then", &verdict);
    hears(first.address(), &["endless-file"], "\"5 READY\", then", &verdict);
    let verdict = format!("refused, and said why, {SERVED}");
    let words = "ERROR 1000000000000 bytes are over the limit";
    hears(lesson.address(), &["endless-file"], words, &verdict);

    let received = safe.path().join("work/received");
    assert_eq!(fs::read_dir(received).unwrap().count(), 0);
}

#[test]
fn the_stranger_has_enough_of_a_server_that_neither_reads_nor_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();

    let verdict = format!("takes no more, {IN_VAIN}");
    let address = listener.local_addr().unwrap();
    hears(address, &["deaf"], "[HEAR] 0 bytes", &verdict);
}

#[test]
fn the_stranger_has_enough_of_a_server_that_talks_for_ever() {
    let (address, talk) = serve_one(|mut connection| {
        let begin = Instant::now();
        while connection.write_all(b"blah ").is_ok() {
            assert!(begin.elapsed() < PATIENCE, "it still listens");
            thread::sleep(Duration::from_millis(100));
        }
    });

    let verdict = format!("answered me, {IN_VAIN}");
    hears(address, &["silent"], "\"blah blah ", &verdict);

    talk.join().unwrap();
}

#[test]
fn nobody_listens_there() {
    let (_nobody, port) = port_of_nobody();
    let port = port.to_string();

    let ended = run(program(), &["silent", "--port", &port]);

    let why = format!("cannot connect to 127.0.0.1:{port}: nobody listens");
    ended.code(1).stdout("").stderr(contains(why));
}

#[test]
fn help_is_a_table_of_ways_and_lessons() {
    contract::help_shows(program(), &["127.0.0.1", "8080"]);
    let ways = [
        ("crowd", "01 03"),
        ("reset", "02"),
        ("unread", "02"),
        ("deaf", "02 03"),
        ("silent", "02 03"),
        ("half-closed", "03"),
        ("noise", "04"),
        ("slow", "04"),
        ("split", "04"),
        ("glued", "04"),
        ("cut", "04"),
        ("lie", "04"),
        ("giant", "04"),
        ("bad-name", "05"),
        ("short-file", "05"),
        ("endless-file", "05"),
    ];

    let mut help = run(program(), &["--help"]).success();

    for (way, lessons) in ways {
        let row = format!("  {way:<14}{lessons:<7}");
        help = help.stdout(contains(row));
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let wrong: [&[&str]; 5] = [
        &[],
        &["rude"],
        &["silent", "--port", "http"],
        &["crowd", "256"],
        &["silent", "now"],
    ];

    for args in wrong {
        run(program(), args).code(2).stdout("");
    }
}

/// As in each other client: a flag may stand where one thinks of it.
#[test]
fn the_address_may_stand_before_the_way_too() {
    let server = start_first("02_first");
    let port = server.port();

    let args = ["--host", "localhost", "--port", &port, "silent"];
    let ended = run(program(), &args);

    ended.success().stdout(contains(format!("answered me, {SERVED}")));
}
