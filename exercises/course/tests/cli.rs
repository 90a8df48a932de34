//! `cargo course` as it is typed: words, files, exit codes.
#![allow(clippy::unwrap_used, reason = "a test fails at the first surprise")]

mod support;

use assert_cmd::assert::{Assert, OutputAssertExt};
use predicates::prelude::*;
use predicates::str::contains;
use support::{Course, RIGHT_TIME};

fn course(course: &Course, words: &[&str]) -> Assert {
    course.command(words).assert()
}

#[test]
fn wrong_usage_has_exit_code_2() {
    let it = Course::new();
    for words in
        [&["check"][..], &["check", "ex09"], &["sing"], &["hint", "-x", "ex01"]]
    {
        course(&it, words).code(2).stdout("");
    }
    course(&it, &["watch", "ex9"]).code(2).stderr(contains("there are 01c, "));
    course(&it, &["chekc", "ex01"]).code(2).stderr(contains("'check'"));
}

#[test]
fn alone_it_shows_what_is_next() {
    let it = Course::new();
    it.write(".course/progress", "01c 3 0\nex01 7 0\nex02 6 1\n");

    course(&it, &[])
        .success()
        .stdout(contains("ex01  the first free port             7 of 7"))
        .stdout(contains("ex02  a time server                   6 of 8"))
        .stdout(contains("Next: ex02, a time server: exercises/02_time/REA"))
        .stdout(contains("  cargo course watch ex02\nStill open: 02a\n"))
        .stderr("");
    course(&it, &["hint"]).success().stdout(contains("ex02, Hint 2: "));
    course(&it, &["answer"]).code(1).stderr(contains("the answer to ex02"));
}

#[test]
fn what_a_starter_climbs_is_no_beginning() {
    let it = Course::new();
    course(&it, &["start", "01c"]).success();

    let fallen = contains("rung 2, a taken one").and(contains("hint").not());
    course(&it, &["check", "01c"]).code(1).stdout(fallen);

    let untouched = contains("01c   look first, mended              -\n");
    let next = contains("Next: read lesson 01").and(contains("watch 01c"));
    course(&it, &[]).stdout(untouched.and(next));

    let copy = "exercises/changes/src/bin/01c.rs";
    it.write(copy, &(it.read(copy) + "// mine\n"));
    course(&it, &["check", "01c"]).code(1);
    course(&it, &[]).stdout(contains("1 of 3").and(contains("Next: 01c")));
    course(&it, &["answer"]).code(1).stderr(contains("the answer to 01c"));
}

#[test]
fn broken_progress_is_reported_and_begun_anew() {
    let it = Course::new();
    it.write(".course/progress", "ex01 seven\n");

    course(&it, &[])
        .success()
        .stdout(contains("Next: read lesson 01"))
        .stderr(contains("[ERROR] .course/progress is broken"));
    course(&it, &[]).success().stderr("");
}

#[test]
fn hints_come_one_by_one() {
    let it = Course::new();
    for nth in 1..=3 {
        let title = format!("ex03, Hint {nth}: ");
        course(&it, &["hint", "ex03"]).success().stdout(contains(title));
    }
    course(&it, &["hint", "ex03"])
        .success()
        .stdout(contains("Hint 3: ").and(contains("the last one")));
    course(&it, &["hint", "01c"])
        .success()
        .stdout(contains("cargo course answer 01c --anyway"));
    course(&it, &["hint", "ex01"]).success().stdout(contains("Hint 1: "));
}

#[test]
fn reset_keeps_what_was_there() {
    let it = Course::new();
    it.write("exercises/03_chat/src/main.rs", "mine");
    it.write("exercises/03_chat/src/room/mod.rs", "mine, too");
    it.write(".course/progress", "ex03 6 2\n");

    let said = course(&it, &["reset", "ex03"]).success();

    let said = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    let kept = said.lines().next().unwrap().rsplit(' ').next().unwrap();
    assert_eq!(it.read(&format!("{kept}/main.rs")), "mine");
    assert_eq!(it.read(&format!("{kept}/room/mod.rs")), "mine, too");
    assert!(!it.path("exercises/03_chat/src/room").exists());
    let starter = include_str!("../starters/ex03.rs");
    assert_eq!(it.read("exercises/03_chat/src/main.rs"), starter);
    assert!(it.read(".course/progress").contains("ex03 0 0"));
    course(&it, &["reset", "ex03"]).success().stdout(
        "exercises/03_chat/src/main.rs is as it was at the beginning.\n",
    );
}

#[test]
fn the_answer_waits_for_success() {
    let it = Course::new();
    it.write(".course/progress", "ex02 6 0\nex01 7 0\n");

    course(&it, &["answer", "ex02"])
        .code(1)
        .stdout("")
        .stderr(contains("6 of 8 rungs").and(contains("--anyway")));
    course(&it, &["answer", "ex01"]).success().stdout(contains("fn main("));
    course(&it, &["answer", "ex02", "--anyway"])
        .success()
        .stdout(contains("exercises/answers/right/ex02.rs"));
    course(&it, &["answer", "04c", "--anyway"])
        .success()
        .stdout(contains("Make the `reader` before the `loop`"))
        .stdout(contains("```").not());
    course(&it, &["answer", "01c"])
        .code(1)
        .stderr(contains("Read book/src/01").and(contains("hint").not()));
}

#[test]
fn a_copy_is_made_once() {
    let it = Course::new();
    course(&it, &["check", "04c"])
        .code(1)
        .stderr(contains("cargo course start 04c"));

    course(&it, &["start", "04.3"])
        .success()
        .stdout(contains("Change 04.3, Mend a forgetful server"));
    course(&it, &["start", "04c"]).code(1).stderr(contains("reset 04c"));

    let copy = it.read("exercises/changes/src/bin/04c.rs");
    assert!(copy.contains("TcpListener::bind(address())"), "{copy}");
}

#[test]
fn ones_own_server_can_be_the_beginning() {
    let it = Course::new();
    it.write("my-server/src/main.rs", "fn f() { bind(\"127.0.0.1:8080\") }\n");
    course(&it, &["start", "02a"]).success();

    for path in ["my-server", "my-server/src/main.rs"] {
        course(&it, &["start", "02a", "--from", path])
            .success()
            .stdout(contains("What was there is in .course/kept/"))
            .stdout(contains("not found").not());
        let copy = it.read("exercises/changes/src/bin/02a.rs");
        assert!(copy.contains("fn f() { bind(address()) }"), "{copy}");
    }

    it.write("my-server/src/main.rs", "fn f() { bind(\"[::1]:9000\") }\n");
    course(&it, &["start", "02a", "--from", "my-server"])
        .success()
        .stdout(contains("not found").and(contains("Let it bind address()")));
    let copy = it.read("exercises/changes/src/bin/02a.rs");
    assert!(copy.contains("fn address()") && copy.contains("fn port()"));
    course(&it, &["start", "ex02", "--from", "my-server"])
        .code(1)
        .stderr(contains("--from makes a copy for a change"));
    course(&it, &["start", "02a", "--from", "nowhere"])
        .code(1)
        .stderr(contains("such as ../my-server"));
}

#[test]
fn the_students_program_is_built_and_judged() {
    let it = Course::new();
    let file = "exercises/02_time/src/main.rs";

    it.write(file, "fn main() { now() }\n\nfn f() { then() }\n");
    course(&it, &["check", "ex02"]).code(1).stdout(
        contains("Building ex02 …\n\nex02 does not compile:\n\nerror[E04")
            .and(contains("and 1 more, which may go with it")),
    );

    let careless = "fn main() { let (a, b) = (1, 2); Ok::<(), ()>(()); }\n";
    it.write(file, careless);
    course(&it, &["check", "ex02"])
        .code(1)
        .stdout(contains("1  it starts").and(contains("FAILED")))
        .stdout(contains("\nwarning: unused `Result` that must be used\n"))
        .stdout(contains("\n\nand 2 more warnings\n"))
        .stdout(contains("Stuck? cargo course hint ex02"));

    it.write(file, &format!("{RIGHT_TIME}\nfn unused() {{}}\n"));
    course(&it, &["check", "ex02"])
        .success()
        .stdout(contains("ex02 is solved"))
        .stdout(contains("\nwarning: function `unused` is never used\n"))
        .stdout(contains("Next: read lesson 03").and(contains("start 03a")))
        .stdout(contains('\x1b').not());
    course(&it, &[]).stdout(contains("8 of 8"));
}

#[test]
fn any_program_is_judged() {
    let it = Course::new();
    let program = it.compile("time", RIGHT_TIME);
    let program = program.to_str().unwrap();

    course(&it, &["check", "ex02", "--", program])
        .success()
        .stdout(contains("All rungs climbed"));
    course(&it, &["check", "ex04", "--", program])
        .code(1)
        .stdout(contains("  1  it starts").and(contains("FAILED")));
    course(&it, &["check", "ex02", "--", "./no-such-program"])
        .code(1)
        .stdout(contains("the command is misspelt"));
}

#[test]
#[ignore = "needs python3"]
fn programs_in_python_are_judged() {
    let it = Course::new();
    let program = |name| {
        let package = env!("CARGO_MANIFEST_DIR");
        format!("{package}/tests/programs/{name}.py")
    };

    let time = program("time");
    course(&it, &["check", "ex02", "--", "python3", &time]).success();
    let chat = program("chat");
    course(&it, &["check", "ex03", "--", "python3", &chat]).success();
    // The first rung holds for any server.
    course(&it, &["check", "ex03", "--", "python3", &time]).code(1).stdout(
        contains("  1  it starts ...................................... ok"),
    );
}
