//! Promise 2, as far as a page can break it: what a terminal shows is a
//! transcript, which `tests/transcripts.rs` plays, or says that it was
//! recorded. Commands alone need neither.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::course::Course;
use crate::includes::includes;
use crate::page::{self, Piece};

const FOLDER: &str = "transcripts/";

/// The transcript that README.md shows, too.
const FIRST: &str = "book/src/transcripts/00_two_terminals.txt";

/// The transcripts that a page or a block of it shows.
fn transcripts(text: &str) -> Vec<String> {
    let files = includes(text).into_iter().map(|include| include.file);
    files
        .filter_map(|file| Some(file.strip_prefix(FOLDER)?.to_owned()))
        .collect()
}

/// Whether a block only says what to type. A command may go on in the lines
/// behind it.
fn is_typed(code: &str) -> bool {
    let mut goes_on = false;
    code.lines().all(|line| {
        let is_typed = goes_on || line.starts_with("$ ");
        goes_on = line.ends_with(['\\', '|']);
        is_typed
    })
}

/// A comment `recorded: SYSTEM, COMMAND`.
fn is_recording(piece: Option<&Piece>) -> bool {
    let Some(Piece::Comment(comment)) = piece else {
        return false;
    };
    let source = comment.strip_prefix("recorded: ");
    source.is_some_and(|source| source.contains(", "))
}

fn unproven(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for page in course.pages() {
        let pieces = course.written(&page);
        for (nth, piece) in pieces.iter().enumerate() {
            let Piece::Block { language, code } = piece else {
                continue;
            };
            let before = nth.checked_sub(1).map(|nth| &pieces[nth]);
            if language == "console"
                && transcripts(code).is_empty()
                && !is_typed(code)
                && !is_recording(before)
            {
                let first = code.lines().next().unwrap_or_default();
                wrong.push(format!("{page}: who has seen this? {first}"));
            }
        }
    }
    wrong
}

/// The transcripts that are played and that no page shows.
fn unshown(course: &Course) -> Vec<String> {
    let mut played: BTreeSet<_> =
        course.list("book/src/transcripts").into_iter().collect();
    for page in course.pages() {
        for piece in course.written(&page) {
            if let Piece::Block { language, code } = piece
                && language == "console"
            {
                played.retain(|name| !transcripts(&code).contains(name));
            }
        }
    }
    played.into_iter().collect()
}

/// The chapters of which no transcript tells: their numbers are those with
/// which the names begin, and the introduction's is 00.
fn untold(course: &Course) -> Vec<String> {
    let numbers = |folder| {
        let names = course.list(folder).into_iter();
        names.map(|name| name[..2].to_owned()).collect::<BTreeSet<_>>()
    };
    let mut chapters = numbers("lessons");
    chapters.insert("00".to_owned());
    let told = numbers("book/src/transcripts");
    chapters.difference(&told).cloned().collect()
}

/// What the terminals show in the first part of README.md, but for what is
/// only typed there, and in the transcript, where it stands which terminal it
/// is.
fn first_run(course: &Course) -> (String, String) {
    let readme = course.read("README.md");
    let (readme, _) = readme.split_once("\n## The lessons").unwrap_or_default();
    let blocks = page::pieces(readme).into_iter().filter_map(|it| match it {
        Piece::Block { language, code } if language == "console" => Some(code),
        _ => None,
    });
    let blocks = blocks.filter(|code| !is_typed(code));
    let transcript = course.read(FIRST);
    let lines = transcript.split_inclusive('\n');
    let lines = lines.filter(|line| !line.starts_with("# terminal"));
    let lines: String = lines.collect();
    // A terminal shows what comes after Ctrl-C in the same line.
    (blocks.collect(), lines.replace("^C\n", "^C"))
}

#[test]
fn every_output_is_a_transcript_or_a_recording() {
    assert_none(&unproven(&Course::ours()));
}

#[test]
fn an_output_that_nobody_has_seen_is_named() {
    let course = Course::copy();
    let block = "\n```console\n$ date\nSunday\n```\n";
    let typed = "\n```console\n$ echo 1 |\n  cat\n$ date\n```\n";
    let recorded = format!("\n<!-- recorded: Linux, date -->{block}");
    course.append("book/src/python.md", &(recorded + typed + block));

    let complaints = unproven(&course);

    assert_eq!(complaints, ["python: who has seen this? $ date"]);
}

#[test]
fn every_transcript_is_shown() {
    assert_none(&unshown(&Course::ours()));
}

#[test]
fn a_transcript_that_no_page_shows_is_named() {
    let course = Course::copy();
    course.write("book/src/transcripts/02_more.txt", "# terminal 1\n");

    let complaints = unshown(&course);

    assert_eq!(complaints, ["02_more.txt"]);
}

#[test]
fn each_chapter_has_a_transcript() {
    assert_none(&untold(&Course::ours()));
}

#[test]
fn a_chapter_without_a_transcript_is_named() {
    let course = Course::copy();
    course.write("lessons/06_more.rs", "fn main() {}\n");

    let complaints = untold(&course);

    assert_eq!(complaints, ["06"]);
}

#[test]
fn the_readme_shows_a_transcript() {
    let (readme, transcript) = first_run(&Course::ours());
    assert_eq!(readme, transcript);
}

#[test]
fn a_readme_that_shows_something_else_is_noticed() {
    let course = Course::copy();
    course.change("README.md", "24 bytes", "25 bytes");

    let (readme, transcript) = first_run(&course);

    assert_ne!(readme, transcript);
}
