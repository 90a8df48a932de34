//! The way of a lesson: what breaks is mended, and what the reader changes
//! can be seen to be right.

use std::ops::RangeInclusive;

use crate::course::Course;
use crate::{LESSONS, assert_none};

const BREAKS: RangeInclusive<usize> = 2..=4;
const CHANGES: RangeInclusive<usize> = 2..=3;

/// The part of a page under a heading of the second level.
fn part<'a>(text: &'a str, title: &str) -> &'a str {
    let begin = format!("\n## {title}\n");
    let (_, part) = text.split_once(&begin).unwrap_or_default();
    part.split("\n## ").next().unwrap_or_default()
}

/// The sections of a part whose headings begin with these words.
fn sections<'a>(part: &'a str, words: &str) -> Vec<&'a str> {
    let all = part.split("\n### ").skip(1);
    all.filter(|section| section.starts_with(words)).collect()
}

fn wrong_breaks(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for (page, _) in LESSONS {
        let text = course.text(page);
        let count = sections(part(&text, "Break it"), "Break ").len();
        if !BREAKS.contains(&count) {
            wrong.push(format!("{page}: {count} breaks"));
        }
        let (breaks, mends) = (part(&text, "Break it"), part(&text, "Mend it"));
        for nth in 1..=count {
            if sections(breaks, &format!("Break {nth}: ")).is_empty() {
                wrong.push(format!("{page}: no break {nth} in its turn"));
            }
            let label = format!("<p class=\"label\">Break {nth}, mended");
            if !mends.contains(&label) {
                wrong.push(format!("{page}: break {nth} is not mended"));
            }
        }
    }
    wrong
}

/// The pieces that have not one label and one block, in this order.
fn wrong_pieces(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for page in course.pages() {
        let text = course.text(&page);
        for piece in text.split("\n<div class=\"piece\">\n").skip(1) {
            let piece = piece.split("\n</div>").next().unwrap_or(piece);
            let words = piece.split("\n```").nth(2).unwrap_or_default();
            if !piece.starts_with("<p class=\"label\">")
                || piece.matches("class=\"label\"").count() != 1
                || piece.matches("\n```").count() != 2
                || words.trim().is_empty()
            {
                let first = piece.lines().next().unwrap_or_default();
                wrong.push(format!("{page}: the piece {first}"));
            }
        }
    }
    wrong
}

fn wrong_changes(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for (page, _) in LESSONS {
        let text = course.text(page);
        let changes = part(&text, "Change it");
        let count = sections(changes, "").len();
        if !CHANGES.contains(&count) {
            wrong.push(format!("{page}: {count} changes"));
        }
        for nth in 1..=count {
            let title = format!("Change {}.{nth}: ", &page[..2]);
            let [change] = sections(changes, &title)[..] else {
                wrong.push(format!("{page}: not one {title}"));
                continue;
            };
            if !change.contains("\n**See it.** ") {
                wrong.push(format!("{page}: {title}who says that it works?"));
            }
        }
    }
    wrong
}

#[test]
fn what_breaks_is_mended() {
    assert_none(&wrong_breaks(&Course::ours()));
}

#[test]
fn a_break_that_is_not_mended_is_named() {
    let course = Course::copy();
    let page = "book/src/03_threads.md";
    let text = course.read(page).replace("Break 2, mended", "Mended");
    course.write(page, &text);
    course.change("book/src/04_length_prefix.md", "### Break 1: ", "### ");

    let complaints = wrong_breaks(&course);

    assert!(complaints.contains(&"03_threads: break 2 is not mended".into()));
    let first = "04_length_prefix: no break 1 in its turn".to_owned();
    assert!(complaints.contains(&first), "{complaints:?}");
}

#[test]
fn each_piece_has_a_label_one_block_and_its_words() {
    assert_none(&wrong_pieces(&Course::ours()));
}

#[test]
fn a_piece_without_its_label_or_words_is_named() {
    let course = Course::copy();
    let piece =
        "\n<div class=\"piece\">\n```rust\nfn main() {}\n```\n\n</div>\n";
    course.append("book/src/queue.md", piece);

    let complaints = wrong_pieces(&course);

    assert_eq!(complaints, ["queue: the piece ```rust"]);
}

#[test]
fn each_change_can_be_seen_to_be_right() {
    assert_none(&wrong_changes(&Course::ours()));
}

#[test]
fn a_change_that_nobody_can_check_is_named() {
    let course = Course::copy();
    let page = "book/src/02_accept_send_close.md";
    course.change(page, "\n**See it.** ", "\nLook. ");
    course.change("book/src/03_threads.md", "### Change 03.1: ", "### ");

    let complaints = wrong_changes(&course);

    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].ends_with("who says that it works?"));
    assert_eq!(complaints[1], "03_threads: not one Change 03.1: ");
}
