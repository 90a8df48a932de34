//! The lessons: each has its page, with all its parts.

use std::collections::BTreeSet;

use crate::course::Course;
use crate::page::Piece;
use crate::{LESSONS, assert_none};

/// The parts of a lesson's page, in their order.
const PARTS: [&str; 8] = [
    "Idea",
    "Predict",
    "The code",
    "Run it",
    "Look closer",
    "What goes wrong",
    "Exercise",
    "Questions",
];

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
        .iter()
        .flat_map(|(_, files)| files.iter().map(ToString::to_string))
        .collect();
    to_explain(course).difference(&explained).cloned().collect()
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
fn each_lesson_has_its_eight_parts_in_order() {
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
