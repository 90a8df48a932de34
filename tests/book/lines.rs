//! Promise 1: each line of code is shown on its page, and explained there.
//!
//! A line is explained if the text behind it has a name of the line, or of
//! the line above or below it, in backticks: what needs no words goes with its
//! neighbour. Whether the text is right, only a reader can say.

use std::collections::{BTreeMap, BTreeSet};

use crate::course::Course;
use crate::includes::{anchors, includes};
use crate::page::Piece;
use crate::{LESSONS, STRANGER, assert_none};

/// Words of the language are in too many lines to explain one of them.
const KEYWORDS: [&str; 30] = [
    "Self", "as", "break", "const", "continue", "crate", "else", "enum", "fn",
    "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut",
    "pub", "ref", "return", "self", "static", "struct", "super", "type", "use",
    "where", "while",
];

/// Lines of a program that a page shows, and the names in the text behind.
struct Shown {
    file: String,
    lines: Vec<usize>,
    names: BTreeSet<String>,
}

/// What a page shows in its blocks of code. A heading, or the next lines of
/// a program, end the text that explains.
fn shown(course: &Course, page: &str) -> Vec<Shown> {
    let (mut all, mut open) = (Vec::<Shown>::new(), 0);
    for piece in course.written(page) {
        match piece {
            Piece::Title { .. } => open = all.len(),
            Piece::Code(code) => {
                for shown in &mut all[open..] {
                    shown.names.extend(names(&code));
                }
            }
            Piece::Block { code, .. } => {
                let new = programs(course, &code);
                if !new.is_empty() {
                    open = all.len();
                    all.extend(new);
                }
            }
            _ => {}
        }
    }
    all
}

/// The lines of programs that a block includes.
fn programs(course: &Course, code: &str) -> Vec<Shown> {
    let mut all = Vec::new();
    for include in includes(code) {
        let Some(file) = include.file.strip_prefix("../../") else {
            continue;
        };
        let (mut anchors, _) = anchors(&course.read(file));
        let anchor = include.anchor.unwrap_or_default();
        let lines = anchors.remove(&anchor).unwrap_or_default();
        let (file, names) = (file.to_owned(), BTreeSet::new());
        all.push(Shown { file, lines, names });
    }
    all
}

/// The names in a piece of code, without those in its texts and comments.
fn names(code: &str) -> BTreeSet<String> {
    let code = code.replace("\\\"", "");
    let code = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let code = code.split("//").next().unwrap_or_default();
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(|c: char| !c.is_ascii_digit()))
        .filter(|word| !KEYWORDS.contains(word))
        .map(str::to_owned)
        .collect()
}

/// The names in a line, and in those right above and below it.
fn names_about(lines: &[(usize, &str)], at: usize) -> BTreeSet<String> {
    let (here, _) = lines[at];
    let about = lines.iter().filter(|(nth, _)| nth.abs_diff(here) <= 1);
    about.flat_map(|(_, line)| names(line)).collect()
}

/// The lines that have to be shown: all code but that of the tests.
fn code_lines(text: &str) -> Vec<(usize, &str)> {
    let (mut code, mut is_test) = (Vec::new(), false);
    let mut before = "";
    for (nth, line) in text.lines().enumerate() {
        if before == "#[cfg(test)]" && line == "mod tests {" {
            code.pop();
            is_test = true;
        }
        let trimmed = line.trim();
        if !is_test && !trimmed.is_empty() && !trimmed.starts_with("//") {
            code.push((nth + 1, line));
        }
        is_test = is_test && line != "}";
        before = line;
    }
    code
}

fn unexplained(course: &Course) -> Vec<String> {
    let rows = || LESSONS.into_iter().chain([STRANGER]);
    let pages = rows().map(|(page, _)| (page, shown(course, page)));
    let pages: BTreeMap<_, _> = pages.collect();
    let mut wrong = Vec::new();
    // What is explained once may stand without a word later on.
    let mut known = BTreeSet::new();
    let mut done = BTreeSet::new();
    for file in rows().flat_map(|(_, files)| files) {
        // Two chapters may share a file.
        if !done.insert(file) {
            continue;
        }
        let of_file = rows().filter(|(_, files)| files.contains(file));
        let shown: Vec<_> =
            of_file.flat_map(|(page, _)| &pages[page]).collect();
        let text = course.read(file);
        let lines = code_lines(&text);
        for (at, (nth, line)) in lines.iter().enumerate() {
            let mut here = shown
                .iter()
                .filter(|it| it.file == *file && it.lines.contains(nth))
                .peekable();
            let names = names_about(&lines, at);
            let line = line.trim().to_owned();
            if here.peek().is_none() {
                wrong.push(format!("{file}:{nth} is not shown: {line}"));
            } else if names.is_empty()
                || here.any(|it| !it.names.is_disjoint(&names))
            {
                known.insert(line);
            } else if !known.contains(&line) {
                wrong.push(format!("{file}:{nth} unexplained: {line}"));
            }
        }
    }
    wrong
}

#[test]
fn every_line_of_the_programs_is_shown_and_explained() {
    assert_none(&unexplained(&Course::ours()));
}

#[test]
fn a_line_that_is_not_shown_is_named() {
    let course = Course::copy();
    course.append("lessons/02_client.rs", "\nfn new() {}\n");

    let complaints = unexplained(&course);

    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].ends_with("is not shown: fn new() {}"));
}

#[test]
fn code_behind_the_tests_of_a_file_has_to_be_shown() {
    let course = Course::copy();
    course.append("src/linger.rs", "\nfn late() {}\n");

    let complaints = unexplained(&course);

    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].ends_with("is not shown: fn late() {}"));
}

#[test]
fn what_stands_in_a_comment_or_outside_of_a_block_is_not_shown() {
    let block = "```rust,ignore\n\
                 {{#include ../../lessons/02_client.rs:chunk}}\n\
                 ```\n";
    let include = block.lines().nth(1).unwrap();
    for hidden in [format!("<!--\n{block}-->\n"), format!("{include}\n")] {
        let course = Course::copy();
        let page = "book/src/02_accept_send_close.md";
        course.change(page, block, &hidden);

        let complaints = unexplained(&course);

        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].contains("is not shown: const CHUNK"));
    }
}

#[test]
fn a_line_of_which_the_text_has_no_name_is_named() {
    let course = Course::copy();
    let page = "book/src/02_accept_send_close.md";
    course.change(page, "- `CHUNK` is a maximum", "- This is a maximum");

    let complaints = unexplained(&course);

    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("unexplained: const CHUNK"));
}
