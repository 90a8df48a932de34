//! The questions: each has its options and its answer, on the lesson's page
//! and on the page of answers, and cannot be answered by looks.

use std::ops::RangeInclusive;

use crate::course::Course;
use crate::page::{self, Piece};
use crate::{LESSONS, assert_none};

/// How many questions a lesson may have.
const QUESTIONS: RangeInclusive<usize> = 5..=6;

/// The letters of the options.
const LETTERS: [&str; 4] = ["a", "b", "c", "d"];

struct Question {
    page: &'static str,
    /// Such as `02-1`.
    id: String,
    /// How long each of its options is, without its letter.
    options: Vec<usize>,
    /// Where the right one of them stands.
    right: Option<usize>,
}

fn questions(course: &Course) -> Vec<Question> {
    let mut all = Vec::new();
    for (page, _) in LESSONS {
        let text = course.text(page);
        for section in text.split("\n### Question ").skip(1) {
            all.push(question(page, section));
        }
    }
    all
}

fn question(page: &'static str, section: &str) -> Question {
    let number = section.split(' ').next().unwrap_or_default();
    let id = number.replace('.', "-");
    let (asked, answer) = section.split_once("<details>").unwrap_or_default();
    // A question without the answer to it has none that is right.
    let mark = format!("<!-- ANCHOR: a-{id} -->");
    let answer = answer.split_once(&mark).map(|(_, answer)| answer.trim());
    let right = answer.and_then(|answer| {
        LETTERS.iter().position(|it| answer.starts_with(&format!("**{it}.**")))
    });
    Question { page, id, options: options(asked), right }
}

/// The lengths of the options `- a. …` to `- d. …`, as a reader sees them.
fn options(asked: &str) -> Vec<usize> {
    let list = asked.split("\n- ").skip(1);
    let shown = list.zip(LETTERS).filter_map(|(option, letter)| {
        let option = option.strip_prefix(&format!("{letter}. "))?;
        let words = page::pieces(option).into_iter().map(|it| match it {
            Piece::Words(text) | Piece::Code(text) => text.chars().count(),
            _ => 0,
        });
        Some(words.sum())
    });
    shown.collect()
}

/// What is wrong with the form of a question.
fn malformed(course: &Course) -> Vec<String> {
    let (all, answers) = (questions(course), course.text("answers"));
    let mut wrong = Vec::new();
    for Question { page, id, options, right } in &all {
        let number = id.replace('-', ".");
        let title = format!("### Question {number} {{#q-{id}}}\n");
        if !course.text(page).contains(&title) {
            wrong.push(format!("{page}: no heading {}", title.trim()));
        }
        if options.len() != LETTERS.len() || right.is_none() {
            wrong.push(format!("{page}: {id} has not 4 options, 1 right"));
        }
        let pair = format!(
            "[Question {number}]({page}.md#q-{id})\n\n\
             {{{{#include {page}.md:a-{id}}}}}\n"
        );
        if !answers.contains(&pair) {
            wrong.push(format!("answers: {id} is not with its question"));
        }
    }
    if answers.matches("{{#include ").count() != all.len() {
        wrong.push("answers: not one for each question".to_owned());
    }
    wrong
}

/// The questions of which the right option is longer than all others.
fn told_by_length(questions: &[Question]) -> Vec<&Question> {
    let is_told = |question: &&Question| {
        let longest = question.options.iter().max();
        let longest = question.options.iter().filter(|it| Some(*it) == longest);
        let right = question.right.and_then(|nth| question.options.get(nth));
        longest.eq(right)
    };
    questions.iter().filter(is_told).collect()
}

#[test]
fn each_question_has_four_options_and_its_answer() {
    assert_none(&malformed(&Course::ours()));
}

#[test]
fn a_lesson_asks_five_or_six_questions() {
    let questions = questions(&Course::ours());
    for (page, _) in LESSONS {
        let here = questions.iter().filter(|it| it.page == page).count();
        assert!(QUESTIONS.contains(&here), "{page}: {here} questions");
    }
}

#[test]
fn what_is_wrong_with_a_question_is_named() {
    let course = Course::copy();
    let page = "book/src/02_accept_send_close.md";
    course.change(page, "{#q-02-1}", "{#q-02-9}");
    course.change(page, "- d. A read", "- e. A read");
    course.change("book/src/answers.md", ":a-03-2}}", ":a-03-1}}");

    let complaints = malformed(&course);

    assert_eq!(
        complaints,
        [
            "02_accept_send_close: no heading ### Question 02.1 {#q-02-1}",
            "02_accept_send_close: 02-1 has not 4 options, 1 right",
            "answers: 03-2 is not with its question",
        ]
    );
}

#[test]
fn the_right_option_is_rarely_the_longest() {
    let questions = questions(&Course::ours());

    let told = told_by_length(&questions);

    let ids: Vec<_> = told.iter().map(|question| &question.id).collect();
    assert!(3 * ids.len() <= questions.len(), "the longest is right: {ids:?}");
}

#[test]
fn a_right_option_that_is_longer_than_the_others_is_noticed() {
    let ask = |options, right| {
        let (page, id) = ("01_bind_listen", String::new());
        Question { page, id, options, right: Some(right) }
    };
    let questions =
        [ask(vec![1, 5, 2, 3], 1), ask(vec![5, 5], 1), ask(vec![5, 1], 1)];

    let told = told_by_length(&questions);

    assert_eq!(told.len(), 1);
}
