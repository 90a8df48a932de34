//! `cargo course watch` in a real terminal, with somebody who types.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails at the first surprise")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;
use predicates::prelude::*;
use predicates::str::contains;
use rexpect::session::{PtySession, spawn_command};
use support::{Course, RIGHT_TIME};

/// How long a line of the watcher may take; in milliseconds.
const PATIENCE: u64 = 60_000;

/// The student's file.
const FILE: &str = "exercises/02_time/src/main.rs";

/// A server that takes every client, and answers none: rungs take seconds.
fn silent() -> String {
    let answer = "std::thread::spawn(move || answer(stream));";
    assert!(RIGHT_TIME.contains(answer));
    RIGHT_TIME.replace(answer, "std::mem::forget(stream);")
}

fn watch(course: &Course, words: &[&str]) -> PtySession {
    let mut command = course.command(&[&["watch"], words].concat());
    command.env("TERM", "xterm");
    spawn_command(command, Some(PATIENCE)).unwrap()
}

#[track_caller]
fn sees(terminal: &mut PtySession, text: &str) -> String {
    terminal.exp_string(text).unwrap()
}

fn press(terminal: &mut PtySession, key: &str) {
    terminal.send(key).unwrap();
    terminal.flush().unwrap();
}

#[track_caller]
fn ends_well(mut terminal: PtySession) {
    terminal.exp_eof().unwrap();
    let ended = format!("{:?}", terminal.process().wait().unwrap());
    assert!(ended.ends_with(", 0)"), "{ended}");
}

/// The command lines of programs and compilers that work in this course, where
/// the system shows them.
fn left_behind(course: &Course) -> Vec<String> {
    let root = course.path("").canonicalize().unwrap();
    let root = root.to_str().unwrap().to_owned();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let lines = processes.flatten().filter_map(|process| {
        let at = |what: &str| process.path().join(what);
        let here = |link: &Path| {
            fs::read_link(link).is_ok_and(|to| to.starts_with(&root))
        };
        // One that has ended, and waits to be asked for its end, has none.
        let ours = here(&at("exe")) || here(&at("cwd"));
        ours.then(|| fs::read_to_string(at("cmdline")).unwrap_or_default())
    });
    lines.collect()
}

/// How many servers of a check run.
#[cfg(target_os = "linux")]
fn servers(course: &Course) -> usize {
    let lines = left_behind(course);
    lines.iter().filter(|line| line.contains("--port")).count()
}

#[track_caller]
fn assert_nothing_left(course: &Course) {
    let until = Instant::now() + Duration::from_secs(5);
    // A killed process needs a moment to go.
    while !left_behind(course).is_empty() && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(left_behind(course), Vec::<String>::new());
}

#[test]
fn a_student_watches_saves_and_presses_keys() {
    let course = Course::new();
    course.write(FILE, "fn main() { now() }\n");
    let mut terminal = watch(&course, &["ex02"]);
    sees(&mut terminal, "error[E0425]");
    sees(&mut terminal, "[h] hint");

    press(&mut terminal, "h");
    sees(&mut terminal, "ex02, Hint 1: ");
    let said = sees(&mut terminal, "2 more: press h");
    assert!(!said.contains("cargo course hint"), "{said}");
    press(&mut terminal, "h");
    sees(&mut terminal, "ex02, Hint 2: ");

    let wrong = RIGHT_TIME.replace("2_208_988_800", "0");
    course.write(FILE, &wrong);
    sees(&mut terminal, "four bytes, then the end ....................... ");
    sees(&mut terminal, "\x1b[32mok");
    sees(&mut terminal, "the seconds were counted from 1970");
    let said = sees(&mut terminal, "[h] hint");
    assert!(!said.contains("cargo course hint"), "{said}");
    press(&mut terminal, "a");
    sees(&mut terminal, "it starts");
    sees(&mut terminal, "[h] hint");

    course.write(FILE, RIGHT_TIME);
    sees(&mut terminal, "ex02 is solved");
    sees(&mut terminal, "Then: 03a, say who came");
    sees(&mut terminal, "cargo course start 03a");
    sees(&mut terminal, "Waiting for a save in exercises/03_chat/src, or in");
    press(&mut terminal, "q");
    ends_well(terminal);
    assert_nothing_left(&course);
}

#[test]
fn after_success_the_old_task_is_heard_until_the_new_one_is_saved() {
    for words in [&["ex02"][..], &["ex02", "--poll"]] {
        let course = Course::new();
        course.write(FILE, RIGHT_TIME);
        let mut terminal = watch(&course, words);
        sees(&mut terminal, "03_chat/src, or in exercises/02_time/src");

        course.write(FILE, "fn main() { then() }\n");
        sees(&mut terminal, "ex02 does not compile");
        sees(&mut terminal, "03_chat/src, or in exercises/02_time/src");
        course.write(FILE, RIGHT_TIME);
        sees(&mut terminal, "ex02 is solved");
        sees(&mut terminal, "03_chat/src, or in exercises/02_time/src");

        course.write("exercises/03_chat/src/main.rs", "fn main() { }\n");
        sees(&mut terminal, "Building ex03");
        sees(&mut terminal, "Waiting for a save in exercises/03_chat/src\r\n");
        press(&mut terminal, "q");
        ends_well(terminal);
    }
}

#[test]
fn after_ctrl_z_and_fg_keys_need_no_enter() {
    let course = Course::new();
    course.write(FILE, "fn main() { now() }\n");
    let mut shell = course.program("sh", &["-i", "-m"]);
    shell.env("PS1", "$ ").env("TERM", "xterm");
    let mut terminal = spawn_command(shell, Some(PATIENCE)).unwrap();
    let program = env!("CARGO_BIN_EXE_course");
    terminal.send_line(&format!("{program} watch ex02")).unwrap();
    sees(&mut terminal, "[h] hint");
    terminal.send_control('z').unwrap();
    sees(&mut terminal, "Stopped");

    // Some shells bring back their own mode, and some need to be told.
    terminal.send_line("stty icanon echo; echo mode is; fg").unwrap();
    sees(&mut terminal, "mode is\r\n");
    press(&mut terminal, "h");

    sees(&mut terminal, "ex02, Hint 1: ");
    press(&mut terminal, "q");
    sees(&mut terminal, "\n$ ");
    terminal.send_line("exit").unwrap();
    ends_well(terminal);
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_single_check_quietly() {
    let course = Course::new();
    course.write(FILE, &silent());
    let command = course.command(&["check", "ex02"]);
    let mut terminal = spawn_command(command, Some(PATIENCE)).unwrap();
    sees(&mut terminal, "four bytes, then the end");

    terminal.send_control('c').unwrap();

    sees(&mut terminal, "Stopped, and nothing is remembered.\r\n");
    assert_eq!(terminal.exp_eof().unwrap(), "");
    let ended = format!("{:?}", terminal.process().wait().unwrap());
    assert!(ended.ends_with(", 1)"), "{ended}");
    assert_nothing_left(&course);
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_check_and_all_servers() {
    let course = Course::new();
    course.write(FILE, &silent());
    for words in [&["ex02"][..], &["ex02", "--poll"]] {
        let mut terminal = watch(&course, words);
        sees(&mut terminal, "four bytes, then the end");
        let until = Instant::now() + Duration::from_millis(PATIENCE);
        // The rung is named a moment before its servers start.
        while servers(&course) < 2 {
            assert!(Instant::now() < until, "the check should run");
            thread::sleep(Duration::from_millis(20));
        }

        terminal.send_control('c').unwrap();

        ends_well(terminal);
        assert_nothing_left(&course);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_build_and_all_compilers() {
    let course = Course::new();
    // The compiler runs it, and never comes to its end.
    let endless = "#![allow(long_running_const_eval)]\n\
                   const ENDLESS: () = loop {};\nfn main() { ENDLESS }\n";
    course.write(FILE, endless);
    let mut terminal = watch(&course, &["ex02"]);
    sees(&mut terminal, "Building ex02");
    let until = Instant::now() + Duration::from_millis(PATIENCE);
    while !left_behind(&course).iter().any(|line| line.contains("rustc")) {
        assert!(Instant::now() < until, "no compiler in sight");
        thread::sleep(Duration::from_millis(20));
    }

    terminal.send_control('c').unwrap();

    ends_well(terminal);
    assert_nothing_left(&course);
}

#[test]
fn a_terminal_that_is_closed_takes_all_with_it() {
    let course = Course::new();
    course.write(FILE, &silent());
    let mut terminal = watch(&course, &["ex02"]);
    sees(&mut terminal, "four bytes, then the end");

    drop(terminal);

    assert_nothing_left(&course);
}

#[test]
fn a_save_ends_the_check_that_runs() {
    let course = Course::new();
    course.write(FILE, &silent());
    let mut terminal = watch(&course, &["ex02", "--poll"]);
    sees(&mut terminal, "four bytes, then the end");

    course.write(FILE, RIGHT_TIME);

    sees(&mut terminal, "ex02 is solved");
    press(&mut terminal, "q");
    ends_well(terminal);
    assert_nothing_left(&course);
}

#[test]
fn without_a_terminal_there_are_no_commands_for_one() {
    let course = Course::new();
    course.write(FILE, "fn main() {}\n");
    let mut command = course.command(&["watch", "ex02"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"h\nq\n")
        .unwrap();

    child
        .wait_with_output()
        .unwrap()
        .assert()
        .success()
        .stdout(contains('\x1b').not().and(contains("[h]").not()));
}

#[test]
fn a_dumb_terminal_and_no_color_get_plain_text() {
    let course = Course::new();
    course.write(FILE, "fn main() {}\n");
    for (name, value) in [("TERM", "dumb"), ("NO_COLOR", "1")] {
        let mut command = course.command(&["watch", "ex02"]);
        command.env("TERM", "xterm").env(name, value);
        let mut terminal = spawn_command(command, Some(PATIENCE)).unwrap();
        let before = sees(&mut terminal, "[h] hint");

        assert!(before.contains("FAILED"), "{before}");
        // Only the empty screen is left, where there is one.
        let plain = before.replace("\x1b[2J\x1b[H", "");
        assert!(!plain.contains('\x1b'), "{before:?}");
        assert!(name == "NO_COLOR" || plain == before, "{before:?}");
        press(&mut terminal, "q");
        ends_well(terminal);
    }
}
