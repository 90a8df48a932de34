//! The lessons: each has its page, with all its parts, and keeps its size.

use std::collections::BTreeSet;

use crate::course::Course;
use crate::page::Piece;
use crate::{LESSONS, STRANGER, assert_none};

/// The parts of a lesson's page, in their order.
const PARTS: [&str; 8] = [
    "Idea",
    "First version",
    "Break it",
    "Mend it",
    "Look closer",
    "Change it",
    "Exercise",
    "Questions",
];

/// The most lines of code of a program, a shared file and a function, and
/// characters of a line: rustfmt leaves comments and texts alone.
const PROGRAM: usize = 150;
/// A first version fits on one screen, and in a memory.
const FIRST: usize = 25;
const STRANGERS: usize = 200;
const FUNCTION: usize = 30;
/// The shared files together.
const HELPER: usize = 650;
const LINE: usize = 80;

/// The programs, and the shared files that have something to show.
fn to_explain(course: &Course) -> BTreeSet<String> {
    let lessons = course.list("lessons").into_iter();
    let lessons = lessons.map(|name| format!("lessons/{name}"));
    let shared = course.list("src").into_iter();
    let shared = shared.map(|name| format!("src/{name}"));
    let shared = shared.filter(|file| course.read(file).contains("ANCHOR: "));
    lessons.chain(shared).collect()
}

/// What is to be explained, and stands in no row of [`LESSONS`].
fn without_page(course: &Course) -> Vec<String> {
    let explained: BTreeSet<_> = LESSONS
        .into_iter()
        .chain([STRANGER])
        .flat_map(|(_, files)| files.iter().map(ToString::to_string))
        .collect();
    to_explain(course).difference(&explained).cloned().collect()
}

fn too_long(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in to_explain(course) {
        let text = course.read(&file);
        let code = code(&text);
        let most = match file.as_str() {
            "lessons/stranger.rs" => STRANGERS,
            first if first.ends_with("_first.rs") => FIRST,
            _ => PROGRAM,
        };
        if code.len() > most {
            wrong.push(format!("{file}: {} lines of code", code.len()));
        }
        for (nth, line) in code.iter().enumerate() {
            if is_function(line) && length(&code[nth..]) > FUNCTION {
                wrong.push(format!("{file}: too long: {}", line.trim()));
            }
        }
        for line in text.lines().filter(|it| it.chars().count() > LINE) {
            wrong.push(format!("{file}: too wide: {}", line.trim()));
        }
    }
    wrong
}

/// How many lines of code all files of the helper have.
fn helper(course: &Course) -> usize {
    let files = course.list("src").into_iter();
    files.map(|file| code(&course.read(&format!("src/{file}"))).len()).sum()
}

/// The lines of a text without those that are empty or a comment, and without
/// the tests at its end.
fn code(text: &str) -> Vec<&str> {
    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or(text);
    let is_code = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("//")
    };
    text.lines().filter(is_code).collect()
}

fn is_function(line: &str) -> bool {
    let words = line.split_whitespace();
    words.take_while(|it| !it.contains('(')).any(|it| it == "fn")
}

/// How many lines a function has: rustfmt puts its last brace under its
/// first word.
fn length(code: &[&str]) -> usize {
    let indent = code[0].len() - code[0].trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    let last = code.iter().position(|line| *line == end);
    last.map_or(code.len(), |last| last + 1)
}

#[test]
fn every_program_has_a_page() {
    assert_none(&without_page(&Course::ours()));
}

#[test]
fn a_program_without_a_page_is_named() {
    let course = Course::copy();
    course.write("lessons/06_more.rs", "fn main() {}\n");
    course.write("src/more.rs", "// ANCHOR: more\n// ANCHOR_END: more\n");

    let complaints = without_page(&course);

    assert_eq!(complaints, ["lessons/06_more.rs", "src/more.rs"]);
}

#[test]
fn every_program_is_short() {
    assert_none(&too_long(&Course::ours()));
}

#[test]
fn the_helper_is_small() {
    let lines = helper(&Course::ours());

    assert!(lines <= HELPER, "{lines} lines of code in src");
}

#[test]
fn a_helper_that_grows_is_counted() {
    let course = Course::copy();
    let before = helper(&course);
    // In front of the tests, which do not count.
    let lines = format!("{}\n", "const X: u8 = 0;\n".repeat(7));
    let text = course.read("src/errors.rs");
    course.write("src/errors.rs", &(lines + &text));

    assert_eq!(helper(&course), before + 7);
}

#[test]
fn a_program_that_is_too_long_is_named() {
    let course = Course::copy();
    let lines = "const X: u8 = 0;\n".repeat(PROGRAM);
    course.append("lessons/02_client.rs", &lines);
    let lines = "    more();\n".repeat(FUNCTION - 1);
    course.append("src/linger.rs", &format!("fn long() {{\n{lines}}}\n"));
    course.append("src/message.rs", &format!("// {}\n", "x".repeat(LINE)));

    let complaints = too_long(&course);

    assert_eq!(complaints.len(), 3, "{complaints:?}");
    assert_eq!(complaints[0], "lessons/02_client.rs: 178 lines of code");
    assert_eq!(complaints[1], "src/linger.rs: too long: fn long() {");
    assert!(complaints[2].starts_with("src/message.rs: too wide: // xxx"));
}

#[test]
fn each_lesson_has_its_parts_in_order() {
    let course = Course::ours();
    for (page, _) in LESSONS {
        let parts = course.shown(page).into_iter().filter_map(|it| match it {
            Piece::Title { level: 2, title, .. } => Some(title),
            _ => None,
        });
        assert_eq!(parts.collect::<Vec<_>>(), PARTS, "{page}");
    }
}

#[test]
fn all_pages_are_in_the_summary_and_no_others() {
    let course = Course::ours();
    let summary = course.written("SUMMARY");
    let links = summary.iter().flat_map(Piece::links);
    let listed: BTreeSet<_> =
        links.map(|link| link.replace(".md", "")).collect();
    assert_eq!(listed, course.pages().into_iter().collect());
}
