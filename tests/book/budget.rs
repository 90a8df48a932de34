//! Promise 4: no page is longer than its budget, and the reader types soon.

use crate::course::Course;
use crate::page::{self, Piece};
use crate::{IN_DEPTH, LESSONS, assert_none};

/// The most words that a page shows: code and what is folded do not count.
const LESSON: usize = 3_500;
const DEPTH: usize = 2_000;

/// The most words in front of the first program that the reader types.
const START: usize = 600;

/// Where a reader may begin.
const STARTS: [&str; 3] =
    ["README.md", "book/src/introduction.md", "book/src/01_bind_listen.md"];

/// Counts what a reader sees.
#[derive(Default)]
struct Counter {
    words: usize,
    /// How many folded parts are open at this place of the text.
    folds: usize,
    /// A folded part's summary can be seen.
    summary: bool,
}

impl Counter {
    fn take(&mut self, piece: &Piece) {
        match piece {
            Piece::Words(text)
            | Piece::Code(text)
            | Piece::Title { title: text, .. } => self.text(text),
            Piece::Html(html) => self.html(html),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.folds == 0 || (self.folds == 1 && self.summary) {
            let is_word = |it: &&str| it.contains(char::is_alphanumeric);
            self.words += text.split_whitespace().filter(is_word).count();
        }
    }

    fn html(&mut self, html: &str) {
        for part in html.split('<').skip(1) {
            let (tag, text) = part.split_once('>').unwrap_or((part, ""));
            match tag.split(' ').next().unwrap_or_default() {
                "details" => self.folds += 1,
                "/details" => self.folds = self.folds.saturating_sub(1),
                "summary" => self.summary = true,
                "/summary" => self.summary = false,
                _ => {}
            }
            self.text(text);
        }
    }
}

/// The words that a reader of a page sees.
fn visible(course: &Course, page: &str) -> usize {
    let mut counter = Counter::default();
    course.written(page).iter().for_each(|it| counter.take(it));
    counter.words
}

fn too_long(course: &Course) -> Vec<String> {
    let lessons = LESSONS.into_iter().map(|(page, _)| (page, LESSON));
    let depth = IN_DEPTH.into_iter().map(|page| (page, DEPTH));
    let mut wrong = Vec::new();
    for (page, most) in lessons.chain(depth) {
        let words = visible(course, page);
        if words > most {
            wrong.push(format!("{page}: {words} words, and not {most}"));
        }
    }
    wrong
}

/// The words in front of the first Rust of a text, and that Rust.
fn start(text: &str) -> (usize, String) {
    let mut counter = Counter::default();
    for piece in page::pieces(text) {
        match piece {
            Piece::Block { language, code } if language.starts_with("rust") => {
                return (counter.words, code);
            }
            other => counter.take(&other),
        }
    }
    (usize::MAX, String::new())
}

fn late_starts(course: &Course) -> Vec<String> {
    let starts = STARTS.into_iter().map(|it| (it, start(&course.read(it)).0));
    let late = starts.filter(|(_, words)| *words > START);
    late.map(|(file, words)| format!("{file}: {words} words first")).collect()
}

fn first_programs(course: &Course) -> [String; 3] {
    STARTS.map(|it| start(&course.read(it)).1)
}

#[test]
fn no_page_is_longer_than_its_budget() {
    assert_none(&too_long(&Course::ours()));
}

#[test]
fn a_page_over_its_budget_is_named() {
    let course = Course::copy();
    course.append("book/src/03_threads.md", &"\nmore".repeat(LESSON));
    course.append("book/src/queue.md", &"\nmore".repeat(DEPTH));

    let complaints = too_long(&course);

    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].starts_with("03_threads: "), "{complaints:?}");
    assert!(complaints[1].starts_with("queue: "), "{complaints:?}");
}

#[test]
fn what_is_folded_and_code_do_not_count() {
    let course = Course::copy();
    let before = visible(&course, "queue");
    let folded = "\n<details><summary>two words</summary>\n\nmany more words\n\n\
                  </details>\n\n```rust\nlet code;\n```\n";
    course.append("book/src/queue.md", folded);

    assert_eq!(visible(&course, "queue"), before + 2);
}

#[test]
fn the_reader_types_soon() {
    assert_none(&late_starts(&Course::ours()));
}

#[test]
fn a_late_start_is_named() {
    let course = Course::copy();
    let page = "book/src/01_bind_listen.md";
    let text = course.read(page);
    course.write(page, &("word ".repeat(START + 1) + &text));

    let complaints = late_starts(&course);

    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].starts_with(page), "{complaints:?}");
}

#[test]
fn the_first_program_is_the_same_in_readme_and_introduction() {
    let [readme, introduction, _] = first_programs(&Course::ours());

    assert!(readme.contains("fn main("), "{readme}");
    assert_eq!(readme, introduction);
}

#[test]
fn a_first_program_that_differs_is_noticed() {
    let course = Course::copy();
    course.change("README.md", "Hello, whoever you are!", "Hello!");

    let [readme, introduction, _] = first_programs(&course);

    assert_ne!(readme, introduction);
}
