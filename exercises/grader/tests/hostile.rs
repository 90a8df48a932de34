//! A class with every kind of trouble is graded once; each test looks at one
//! submission of it. Nobody's trouble may be anyone else's.
#![cfg(target_os = "linux")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails at the first surprise"
)]

mod support;

use std::fs::{self, File};
use std::process::Output;
use std::sync::LazyLock;
use std::time::SystemTime;

use support::{Class, Test, left_over};

const RIGHT: &str = include_str!("programs/right_time.rs");
const CLEARED: &str = "m\u{1b}[2J";

static GRADED: LazyLock<(Class, Output)> = LazyLock::new(|| {
    let class = Class::new();
    time(&class, "a right", RIGHT);
    time(&class, "b flood", include_str!("programs/flood.rs"));
    time(&class, "c daemon", include_str!("programs/daemon.rs"));
    time(&class, "d stubborn", include_str!("programs/stubborn.rs"));
    time(&class, "e swarm", include_str!("programs/swarm.rs"));
    time(&class, "f killer", include_str!("programs/killer.rs"));
    time(&class, "f pipe", include_str!("programs/pipe.rs"));
    links(&class);
    foreign(&class);
    helpers(&class);
    twins(&class);
    class.folder(&format!("{CLEARED}/exercises/02_time/src"));
    class.folder("n nothing/homework");
    class.link("o link", class.path("a right"));
    class.write("secret.txt", "secret");
    class.program("p results", "02_time", "what?");
    class.link("p results/results.json", class.path("secret.txt"));
    class.program("q results", "02_time", "what?");
    class.folder("q results/results.json");
    time(&class, "z right", RIGHT);
    let output = class.grade(&["--jobs", "4"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    (class, output)
});

fn time(class: &Class, name: &str, program: &str) {
    class.program(name, "02_time", program);
}

fn links(class: &Class) {
    let src = "g links/exercises/02_time/src";
    class.write("outside/main.rs", RIGHT);
    class.write("outside/src/main.rs", RIGHT);
    class.link("g links/exercises/01_free_port/src/main.rs", "/etc/passwd");
    class.program("g links", "02_time", &format!("{RIGHT}mod secret;\n"));
    class.link(&format!("{src}/secret.rs"), class.path("secret.txt"));
    class.link(&format!("{src}/loop"), class.path(src));
    class.folder("g links/exercises/03_chat");
    class.link("g links/exercises/03_chat/src", class.path("outside"));
    class.link("g links/exercises/04_syslog", class.path("outside"));
    let pipe = class.path("g links/exercises/05_gopher/src/main.rs");
    fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    std::process::Command::new("mkfifo").arg(pipe).status().unwrap();
}

fn foreign(class: &Class) {
    time(class, "h foreign", "fn main() { rand::random::<u8>(); }");
    let manifest = "[dependencies]\nclap = '4'\nrand = '0.9'\n";
    class.write("h foreign/exercises/02_time/Cargo.toml", manifest);
    let script = "fn main() { loop {} }";
    class.write("h foreign/exercises/02_time/build.rs", script);
}

fn helpers(class: &Class) {
    let main = "mod helper;\nfn main() { helper::help(); }";
    let helper = "pub fn help() { println!(\"[LISTENING] helped\"); }";
    time(class, "i helper", main);
    class.write("i helper/exercises/02_time/src/helper.rs", helper);
    time(class, "j no helper", main);
    let line = "fn main() { println!(\"[LISTENING] {}\", ex02::HELP); }";
    time(class, "i library", line);
    let library = "pub const HELP: &str = \"helped\";";
    class.write("i library/exercises/02_time/src/lib.rs", library);
}

/// Two programs of the same size and the same age.
fn twins(class: &Class) {
    for name in ["one", "two"] {
        let main = format!("fn main() {{ println!(\"[LISTENING] {name}\"); }}");
        time(class, &format!("k {name}"), &main);
        let path = format!("k {name}/exercises/02_time/src/main.rs");
        let file = File::options().write(true).open(class.path(&path));
        file.unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
}

/// The row of a submission in the table.
fn row(name: &str) -> String {
    let stdout = String::from_utf8_lossy(&GRADED.1.stdout).into_owned();
    let row = stdout.lines().find(|line| line.starts_with(name));
    row.unwrap_or_else(|| panic!("no {name} in {stdout}")).to_owned()
}

fn test(name: &str, exercise: usize) -> Test {
    Test::read(&GRADED.0.path(&format!("{name}/results.json")), exercise)
}

#[test]
fn a_right_answer_passes_before_and_after_all_others() {
    for name in ["a right", "z right"] {
        assert!(row(name).contains("pass "), "{}", test(name, 2).output());
        assert!(row(name).ends_with("1 of 5"), "{}", row(name));
        assert_eq!(test(name, 2).status(), "passed");
        assert_eq!(test(name, 2).score(), (8, 8));
        assert_eq!(test(name, 2).output(), "");
    }
}

#[test]
fn whoever_floods_its_output_falls_and_is_cut() {
    assert!(row("b flood").contains("rung 1"), "{}", row("b flood"));
    let test = test("b flood", 2);
    assert!(test.output().contains("bytes left out"), "{}", test.output());
    assert!(test.output().len() < 9 * 1024);
    assert!(!test.output().contains('\u{1b}'));
}

#[test]
fn nothing_that_was_started_is_left() {
    assert!(row("c daemon").contains("rung 1"), "{}", row("c daemon"));
    assert!(row("d stubborn").contains("rung 1"), "{}", row("d stubborn"));
    assert_eq!(left_over(), Vec::<String>::new());
}

#[test]
fn whoever_starts_too_many_processes_is_ended() {
    let test = test("e swarm", 2);
    assert!(test.output().contains("more than 500"), "{}", test.output());
    assert!(row("e swarm").contains("rung 1"), "{}", row("e swarm"));
}

#[test]
fn whoever_kills_the_check_is_not_judged() {
    assert!(row("f killer").contains("not judged"), "{}", row("f killer"));
    let test = test("f killer", 2);
    assert!(test.output().contains("SIGKILL"), "{}", test.output());
    assert_eq!((test.status(), test.score().0), ("failed", 0));
}

#[test]
fn whoever_puts_pipes_in_our_way_is_judged() {
    assert!(row("f pipe").contains("rung 1"), "{}", row("f pipe"));
}

#[test]
fn links_are_not_followed() {
    for (exercise, what) in [(1, "src/main.rs"), (3, "src/"), (4, "04_syslog/")]
    {
        let test = test("g links", exercise);
        let expected = format!("{what} is a symbolic link");
        assert!(test.output().contains(&expected), "{}", test.output());
    }
    let linked = test("g links", 2);
    assert!(linked.output().contains("E0583"), "{}", linked.output());
    for file in ["src/secret.rs", "src/loop"] {
        let note = format!("{file} was left out: it is a symbolic link");
        assert!(linked.output().contains(&note), "{}", linked.output());
    }
    let pipe = test("g links", 5);
    let expected = "main.rs is neither a file nor a folder";
    assert!(pipe.output().contains(expected), "{}", pipe.output());
}

#[test]
fn other_dependencies_and_build_scripts_are_not_taken_over() {
    let row = row("h foreign");
    assert!(row.contains("does not compile"), "{row}");
    let test = test("h foreign", 2);
    assert!(test.output().starts_with("error[E0433]"), "{}", test.output());
    let note = "Cargo.toml also asks for rand.";
    assert!(test.output().contains(note), "{}", test.output());
}

#[test]
fn nothing_of_one_submission_gets_into_another() {
    let helped = test("i helper", 2);
    assert!(helped.output().contains("helped"), "{}", helped.output());
    let library = test("i library", 2);
    assert!(library.output().contains("helped"), "{}", library.output());
    for folder in ["debug", "debug/deps"] {
        let built = fs::read_dir(support::work().join("target").join(folder));
        let mut names = built.unwrap().map(|entry| entry.unwrap().file_name());
        let left = names.find(|name| name.to_string_lossy().contains("ex02"));
        assert_eq!(left, None);
    }
    let alone = test("j no helper", 2);
    assert!(alone.output().starts_with("error[E0583]"), "{}", alone.output());
    for name in ["one", "two"] {
        let test = test(&format!("k {name}"), 2);
        let line = format!("[LISTENING] {name}");
        assert!(test.output().contains(&line), "{}", test.output());
    }
}

#[test]
fn a_name_plays_with_nobodys_terminal() {
    assert!(!GRADED.1.stdout.contains(&0x1b));
    assert!(row("m\\u{1b}[2J").contains("missing"));
    let test = test(CLEARED, 2);
    let why = "02_time/src/main.rs: there is no such file";
    assert!(test.output().contains(why), "{}", test.output());
}

#[test]
fn whoever_hands_in_something_else_is_in_the_table() {
    assert!(row("n nothing").ends_with("0 of 5"));
    let test = test("n nothing", 1);
    assert!(test.output().contains("no folder exercises/"));
}

#[test]
fn a_linked_submission_is_not_followed_and_gets_no_results() {
    assert!(row("o link").ends_with("0 of 5"), "{}", row("o link"));
    let stderr = String::from_utf8_lossy(&GRADED.1.stderr);
    assert!(stderr.contains("no results for o link"), "{stderr}");
}

#[test]
fn results_are_never_written_through_a_link() {
    let (class, output) = &*GRADED;
    let secret = fs::read_to_string(class.path("secret.txt")).unwrap();
    assert_eq!(secret, "secret");
    assert!(test("p results", 2).output().contains("error: "));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("cannot write"), "{stderr}");
    assert!(stderr.contains("q results/results.json"), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}
