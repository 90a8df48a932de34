//! The changes inside the chapters: what a student begins with falls on the
//! rung that is the point, and the page's solution climbs them all.
#![allow(clippy::unwrap_used, reason = "a test fails at the first surprise")]

mod support;

use assert_cmd::assert::OutputAssertExt;
use predicates::str::contains;
use support::Course;

/// What is put in place of what.
type Edits = [(&'static str, &'static str)];

/// The student's copy for a change.
fn copy(course: &Course, name: &str) -> String {
    course.command(&["start", name]).assert().success();
    course.read(&format!("exercises/changes/src/bin/{name}.rs"))
}

#[track_caller]
fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (old, new) in edits {
        assert!(text.contains(old), "{old:?} is not in\n{text}");
        text = text.replacen(old, new, 1);
    }
    text
}

/// The check of a program; on which rung it is to fall, if on any.
#[track_caller]
fn judge(course: &Course, name: &str, text: &str, falls_on: Option<&str>) {
    let program = course.compile(name, text);
    let words = ["check", name, "--", program.to_str().unwrap()];
    let judged = course.command(&words).assert();
    match falls_on {
        None => judged.success().stdout(contains("All rungs climbed")),
        Some(rung) => judged.code(1).stdout(contains(format!("\nrung {rung}"))),
    };
}

/// Begins with the copy, which falls; the solution does not.
fn mend(name: &str, falls_on: &str, solution: &Edits) {
    let course = Course::new();
    let begun = copy(&course, name);
    judge(&course, name, &begun, Some(falls_on));
    judge(&course, name, &edited(&begun, solution), None);
}

#[test]
fn look_first() {
    let look = "    if !is_free(&address) {";
    let bind = "    let listener = TcpListener::bind(address)?;\n";
    let edits = [
        (bind, ""),
        (look, "    let Ok(listener) = TcpListener::bind(address) else {"),
        ("        return Ok(());\n    }", "        return Ok(());\n    };"),
    ];
    mend("01c", "2, a taken one is refused", &edits);
}

#[test]
fn looking_first_and_well_is_still_a_call() {
    let course = Course::new();
    let begun = copy(&course, "01c");
    let quick = edited(
        &begun,
        &[(
            "    let listener = TcpListener::bind(address)?;",
            "    let Ok(listener) = TcpListener::bind(address) else {\n\
             println!(\"taken\"); return Ok(()) };",
        )],
    );
    judge(&course, "01c", &quick, Some("3, the other server gets no call"));
}

#[test]
fn count_clients() {
    let edits = [
        ("    loop {", "    let mut served = 0;\n    loop {"),
        (
            "stream.write_all(b\"Connection Established\\r\\n\")?;",
            "served += 1;\n        \
             write!(stream, \"You are client {served}.\\r\\n\")?;",
        ),
    ];
    mend("02a", "2, each client hears its number", &edits);
}

#[test]
fn a_greeting_that_is_not_quite_the_pages() {
    let course = Course::new();
    let wrong = edited(
        &copy(&course, "02a"),
        &[
            ("    loop {", "    let mut served = 0;\n    loop {"),
            (
                "stream.write_all(b\"Connection Established\\r\\n\")?;",
                "served += 1;\n        \
                 write!(stream, \"You are client {served}.\\n\")?;",
            ),
        ],
    );
    judge(&course, "02a", &wrong, Some("3, one line, and nothing else"));
}

#[test]
fn what_came_is_shown_with_its_end() {
    let course = Course::new();
    let greeting = ("Connection Established", "You are client 0.");
    let wrong = edited(&copy(&course, "02a"), &[greeting]);
    let came = "2, each client hears its number\n  \
                sent           client 1 connects, from 127.0.0.1:";
    judge(&course, "02a", &wrong, Some(came));
    let program = course.compile("02a", &wrong);
    let words = ["check", "02a", "--", program.to_str().unwrap()];
    let came = "came           \"You are client 0.\\r\\n\"\n";
    course.command(&words).assert().code(1).stdout(contains(came));
}

#[test]
fn say_who_came() {
    let course = Course::new();
    let begun = copy(&course, "03a");
    judge(&course, "03a", &begun, Some("2, the others hear who came"));
    let right = solution(&course, "03a", &begun);
    judge(&course, "03a", &right, None);

    let early = ("let others: Vec<Arc<TcpStream>> = open.clone();\n", "");
    let late = (
        "        drop(open);",
        "let others: Vec<Arc<TcpStream>> = open.clone(); drop(open);",
    );
    let own = edited(&right, &[early, late]);
    judge(&course, "03a", &own, Some("3, a newcomer hears of nobody"));
}

/// The whole program that the page shows as a solution, on any port.
fn solution(course: &Course, name: &str, begun: &str) -> String {
    let words = ["answer", name, "--anyway"];
    let answer = course.command(&words).output().unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    let program = answer.split("\nThe limit, ").next().unwrap();
    let port = begun.find("\nfn address()").unwrap();
    edited(program, &[("\"127.0.0.1:8080\"", "address()")]) + &begun[port..]
}

/// The solution of 04c: the reader is made once.
const REMEMBER: &Edits = &[
    ("        let mut reader = BufReader::new(stream);\n", ""),
    (
        "fn answer(mut stream: &TcpStream) -> io::Result<()> {\n",
        "fn answer(mut stream: &TcpStream) -> io::Result<()> {\n    \
         let mut reader = BufReader::new(stream);\n",
    ),
];

#[test]
fn a_forgetful_server() {
    mend("04c", "4, two in one segment", REMEMBER);
}

#[test]
fn say_it_backwards() {
    let course = Course::new();
    let begun = copy(&course, "04a");
    assert!(begun.contains("You said: {text}"), "{begun}");
    // The copy is the lesson's, which takes long to compile; this is not.
    let server = edited(&copy(&course, "04c"), REMEMBER);
    let says = "format!(\"You said: {text}\")";
    let answers = [
        ("text.clone()", Some("2, Hello Server!")),
        ("HELLO { text.clone() }", Some("3, a text comes back reversed")),
        ("HELLO { BYTES }", Some("4, letters are turned round")),
        ("HELLO { text.chars().rev().collect::<String>() }", None),
    ];
    for (answer, falls_on) in answers {
        let answer = answer.replace("HELLO", HELLO).replace(
            "BYTES",
            "String::from_utf8_lossy(&text.bytes().rev()\
                     .collect::<Vec<_>>()).into_owned()",
        );
        let server = edited(&server, &[(says, &*answer)]);
        judge(&course, "04a", &server, falls_on);
    }
}

const HELLO: &str =
    "if text == \"Hello Server!\" { \"Hello Client!\".to_owned() } else ";

#[test]
fn a_race() {
    let look = "    if path.exists() {\n        return \
                Err(io::ErrorKind::AlreadyExists.into());\n    }\n";
    let edits = [
        (look, ""),
        (
            "    fs::rename(&part, path)",
            "    let linked = fs::hard_link(&part, path);\n    \
             fs::remove_file(&part)?;\n    linked",
        ),
    ];
    mend("05b", "1, one Ok, one AlreadyExists", &edits);
}

#[test]
fn what_a_race_leaves_behind() {
    let course = Course::new();
    let wrong = edited(
        &copy(&course, "05b"),
        &[("    fs::rename(&part, path)", "    fs::hard_link(&part, path)")],
    );
    judge(&course, "05b", &wrong, Some("3, no .part stays behind"));
}
