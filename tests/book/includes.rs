//! What a page includes: mdBook says nothing of a file or an anchor that is
//! not there.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::course::Course;

/// A line `{{#include FILE:ANCHOR}}`.
pub struct Include {
    /// As seen from the pages.
    pub file: String,
    pub anchor: Option<String>,
}

/// The anchors of a file, with the numbers of their lines.
type Anchors = BTreeMap<String, Vec<usize>>;

/// What stands before the next include of a text, and behind it.
fn next(text: &str) -> Option<(&str, Include, &str)> {
    let (before, after) = text.split_once("{{#include ")?;
    let (what, after) = after.split_once("}}")?;
    let (file, anchor) = match what.split_once(':') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (what, None),
    };
    Some((before, Include { file: file.to_owned(), anchor }, after))
}

pub fn includes(mut text: &str) -> Vec<Include> {
    let mut all = Vec::new();
    while let Some((_, include, after)) = next(text) {
        all.push(include);
        text = after;
    }
    all
}

/// A page's text, with that of its includes in their places.
pub fn laid_in(course: &Course, mut text: &str) -> String {
    let mut laid = String::new();
    while let Some((before, include, after)) = next(text) {
        laid.push_str(before);
        laid.push_str(&included(course, &include));
        text = after;
    }
    laid + text
}

fn included(course: &Course, include: &Include) -> String {
    let path = format!("book/src/{}", include.file);
    if !course.path(&path).is_file() {
        return String::new();
    }
    let text = course.read(&path);
    let Some(anchor) = &include.anchor else {
        return text.trim_end().to_owned();
    };
    let (anchors, _) = anchors(&text);
    let shown = anchors.get(anchor).into_iter().flatten();
    let lines: Vec<_> = text.lines().collect();
    shown.map(|nth| lines[nth - 1]).collect::<Vec<_>>().join("\n")
}

/// The anchors of a text, and what is wrong with them.
pub fn anchors(text: &str) -> (Anchors, Vec<String>) {
    let (mut all, mut wrong) = (Anchors::new(), Vec::new());
    let mut open: Vec<(String, Vec<usize>)> = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let mark = |key| line.split_once(key).map(|(_, name)| word(name));
        if let Some(name) = mark("ANCHOR_END: ") {
            match open.iter().position(|(other, _)| *other == name) {
                Some(at) => {
                    let (name, lines) = open.remove(at);
                    if all.insert(name.clone(), lines).is_some() {
                        wrong.push(format!("the anchor {name} twice"));
                    }
                }
                None => wrong.push(format!("the anchor {name} only ends")),
            }
        } else if let Some(name) = mark("ANCHOR: ") {
            open.push((name, Vec::new()));
        } else {
            for (_, lines) in &mut open {
                lines.push(nth + 1);
            }
        }
    }
    let endless = open.into_iter();
    wrong.extend(endless.map(|(name, _)| format!("{name} has no end")));
    (all, wrong)
}

fn word(text: &str) -> String {
    let end = |c: char| !c.is_alphanumeric() && c != '_' && c != '-';
    text.split(end).next().unwrap_or_default().to_owned()
}

fn missing(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for page in course.pages() {
        for Include { file, anchor } in includes(&course.text(&page)) {
            let path = format!("book/src/{file}");
            if !course.path(&path).is_file() {
                wrong.push(format!("{page}: there is no {file}"));
                continue;
            }
            let (anchors, mistakes) = anchors(&course.read(&path));
            wrong.extend(mistakes.iter().map(|it| format!("{file}: {it}")));
            if let Some(anchor) = anchor
                && anchors.get(&anchor).is_none_or(Vec::is_empty)
            {
                wrong.push(format!("{page}: no anchor {anchor} in {file}"));
            }
        }
    }
    wrong
}

#[test]
fn every_include_finds_its_lines() {
    assert_none(&missing(&Course::ours()));
}

#[test]
fn an_anchor_that_is_gone_is_named() {
    let course = Course::copy();
    let file = "src/linger.rs";
    course.change(file, "ANCHOR: imports", "ANCHOR: no_imports");
    course.change(file, "ANCHOR_END: imports", "ANCHOR_END: no_imports");

    let complaints = missing(&course);

    assert_eq!(
        complaints,
        ["02_accept_send_close: no anchor imports in ../../src/linger.rs"]
    );
}

#[test]
fn a_file_that_is_gone_is_named() {
    let course = Course::copy();
    course.append("book/src/python.md", "{{#include transcripts/06.txt}}\n");

    let complaints = missing(&course);

    assert_eq!(complaints, ["python: there is no transcripts/06.txt"]);
}
