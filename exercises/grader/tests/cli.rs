//! `cargo grade` as it is typed: flags, files, exit codes, Ctrl-C.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails at the first surprise"
)]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;
use predicates::prelude::*;
use predicates::str::contains;
use support::{Class, Test, command, grade};

#[test]
fn help_says_that_it_runs_students_code() {
    let output = command(&["--help"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let first = stdout.lines().next().unwrap();
    assert!(first.contains("RUNS STUDENTS' CODE"), "{first}");
    assert!(stdout.contains("--network none"), "{stdout}");
}

#[test]
fn wrong_usage_has_exit_code_2() {
    command(&[]).assert().code(2).stderr(contains("<DIR>"));
    for jobs in ["0", "1001", "18446744073709551615"] {
        command(&["x", "--jobs", jobs]).assert().code(2);
    }
}

#[test]
fn a_folder_without_submissions_is_an_error() {
    let class = Class::new();
    class.folder("homework/maths");
    let missing = class.path("missing").display().to_string();

    class
        .grade(&[])
        .assert()
        .code(1)
        .stderr(contains("no submission in").and(contains("Unpack")));
    grade(&[&missing])
        .assert()
        .code(1)
        .stderr(contains("there is no such file or folder"));
}

#[test]
fn results_go_where_they_are_wanted() {
    let class = Class::new();
    class.folder("class/anna/exercises").folder("class/ben b/exercises");
    let paths = ["class", "out", "junit.xml"]
        .map(|path| class.path(path).display().to_string());
    let [dir, out, junit] = paths.each_ref().map(String::as_str);

    let output = grade(&[dir, "--out", out, "--junit", junit]);

    output
        .assert()
        .code(1)
        .stdout(contains("2 submissions, 10 exercises: 10 missing"));
    for name in ["anna", "ben b"] {
        let test =
            Test::read(&class.path(&format!("out/{name}/results.json")), 5);
        assert_eq!((test.status(), test.score().0), ("failed", 0));
    }
    assert!(!class.path("class/anna/results.json").exists());
    let junit = fs::read_to_string(class.path("junit.xml")).unwrap();
    assert!(junit.contains(r#"<testsuite name="ben b" tests="5""#), "{junit}");
    assert!(junit.contains(r#"message="missing""#), "{junit}");
}

#[test]
fn a_place_for_results_that_is_none_is_an_error_at_once() {
    let class = Class::new();
    class.folder("class/anna/exercises").write("file", "");
    let paths = ["class", "file/out", "no folder/junit.xml"]
        .map(|path| class.path(path).display().to_string());
    let [dir, out, junit] = paths.each_ref().map(String::as_str);

    for [flag, place] in [["--out", out], ["--junit", junit]] {
        grade(&[dir, flag, place])
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains(format!("Write elsewhere with {flag} ")));
    }
}

#[test]
fn a_check_that_takes_too_long_is_timed_out() {
    let class = Class::new();
    let sleeper = include_str!("programs/sleeper.rs");
    class.program("anna", "03_chat", sleeper);
    class.write("hand-in.zip", "PK");
    let begin = Instant::now();

    let output = class.grade(&["--time-limit", "1"]);

    assert!(begin.elapsed() < Duration::from_secs(60));
    output
        .assert()
        .code(1)
        .stdout(contains("timed out").and(contains("no end in 1s")))
        .stderr(contains("hand-in.zip: not a folder"));
}

#[test]
fn a_build_that_never_ends_is_timed_out_and_the_rest_is_judged() {
    let class = Class::new();
    let endless = include_str!("programs/endless_build.rs");
    class.program("anna", "01_free_port", endless);
    class.program("anna", "02_time", "fn main() { now() }");

    let output = class.grade(&["--build-time", "4"]);

    output.assert().code(1).stdout(
        contains("the build had no end in 4s")
            .and(contains("error[E0425]: cannot find function `now`"))
            .and(contains("anna        timed out  does not compile")),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_spoils_the_builds_of_others_does_them_no_harm() {
    let class = Class::new();
    let right = include_str!("programs/right_time.rs");
    class.program("a meddler", "02_time", include_str!("programs/meddler.rs"));
    for name in ["b", "c"] {
        class.program(name, "02_time", right);
    }

    let output = class.grade(&[]);

    let stdout = String::from_utf8_lossy(&output.stdout);
    for name in ["b", "c"] {
        let row = format!("\n{name}           missing  pass ");
        assert!(stdout.contains(&row), "{stdout}");
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes the whole machine for a second"]
fn a_fork_bomb_is_ended() {
    let class = Class::new();
    class.program("anna", "02_time", include_str!("programs/bomb.rs"));

    let output = class.grade(&[]);

    output.assert().code(1).stdout(contains("more than 500 processes"));
    assert_eq!(support::left_over(), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
mod interrupted {
    use std::io::Read;
    use std::process::{Child, Command, Stdio};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use support::{in_turn, left_over};

    use super::*;

    /// Starts a grader, and waits until the student's program runs.
    fn grader_at_work(class: &Class) -> Child {
        class.program("anna", "03_chat", include_str!("programs/sleeper.rs"));
        let dir = class.path("").display().to_string();
        let mut command = command(&[&dir]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut grader = command.spawn().unwrap();
        wait(|| {
            assert_eq!(grader.try_wait().unwrap(), None, "it ended");
            left_over().iter().any(|line| line.starts_with("sleep"))
        });
        grader
    }

    fn wait(mut until: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !until() {
            assert!(begin.elapsed() < Duration::from_secs(60), "in vain");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn send(grader: &Child, signal: Signal) {
        let id = i32::try_from(grader.id()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    #[test]
    fn ctrl_c_ends_all() {
        in_turn(|| {
            let class = Class::new();
            let grader = grader_at_work(&class);

            send(&grader, Signal::SIGINT);

            let output = grader.wait_with_output().unwrap();
            assert_eq!(left_over(), Vec::<String>::new());
            assert!(!class.path("anna/results.json").exists());
            output.assert().code(1).stderr(contains("Ctrl-C"));
        });
    }

    #[test]
    fn ctrl_c_ends_the_first_build() {
        in_turn(|| {
            let class = Class::new();
            class.program("anna", "02_time", "fn main() {}");
            let [dir, new] = ["", "new"].map(|path| class.path(path));
            let mut grader = Command::new(env!("CARGO_BIN_EXE_grader"));
            grader.arg(&dir).arg("--work").arg(&new).stderr(Stdio::piped());
            let mut grader = grader.spawn().unwrap();
            wait(|| {
                if let Some(status) = grader.try_wait().unwrap() {
                    let mut why = String::new();
                    let mut stderr = grader.stderr.take().unwrap();
                    stderr.read_to_string(&mut why).unwrap();
                    panic!("{status}: {why}");
                }
                new.join("target/debug/deps").exists()
            });

            send(&grader, Signal::SIGINT);

            let output = grader.wait_with_output().unwrap();
            output.assert().code(1).stderr(
                contains("nothing is graded: Ctrl-C")
                    .and(contains("Download").not()),
            );
        });
    }

    #[test]
    fn a_killed_grader_leaves_no_programs() {
        in_turn(|| {
            let class = Class::new();
            let mut grader = grader_at_work(&class);

            send(&grader, Signal::SIGKILL);

            grader.wait().unwrap();
            wait(|| left_over().is_empty());
        });
    }
}
