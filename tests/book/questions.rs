//! Questions and predictions: each option answers back, one of a question's
//! is right, and it cannot be told by its looks.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::course::Course;
use crate::page::{self, Piece};
use crate::{LESSONS, assert_none};

/// How many questions a lesson may have, and how many stand at its end.
const QUESTIONS: RangeInclusive<usize> = 4..=6;
const LAST: usize = 2;

/// How many options a question or a prediction may have.
const OPTIONS: RangeInclusive<usize> = 3..=4;

/// Fewer words do not say why.
const WHY: usize = 5;

const LETTERS: [&str; 4] = ["a", "b", "c", "d"];

/// A question or a prediction.
struct Asked<'a> {
    page: &'static str,
    /// The text from its first line to its last.
    text: &'a str,
    /// The name of its folded options, such as `q-02-1`.
    name: &'a str,
    options: Vec<Choice<'a>>,
}

/// What stands in one of the folded parts.
struct Choice<'a> {
    summary: &'a str,
    answer: &'a str,
}

/// What a page asks in boxes of this class.
fn asked<'a>(page: &'static str, text: &'a str, class: &str) -> Vec<Asked<'a>> {
    let begin = format!("<div class=\"{class}\"");
    let boxes = text.split(&begin).skip(1);
    let boxes = boxes.map(|it| it.split("\n</div>").next().unwrap_or(it));
    boxes
        .map(|text| {
            let parts = text.split("<details name=\"").skip(1);
            let parts: Vec<_> =
                parts.filter_map(|it| it.split_once('"')).collect();
            let name = parts.first().map_or("", |(name, _)| name);
            // An option of another group would not close this one's.
            let ours = parts.iter().filter(|(other, _)| *other == name);
            let options = ours.filter_map(|(_, it)| option(it)).collect();
            Asked { page, text, name, options }
        })
        .collect()
}

fn option(text: &str) -> Option<Choice<'_>> {
    let (summary, answer) =
        text.strip_prefix("><summary>")?.split_once("</summary>")?;
    let (answer, _) = answer.split_once("</details>")?;
    Some(Choice { summary, answer })
}

/// How long a text is, as a reader sees it.
fn length(text: &str) -> usize {
    let pieces = page::pieces(text).into_iter().map(|it| match it {
        Piece::Words(text) | Piece::Code(text) => text.chars().count(),
        _ => 0,
    });
    pieces.sum()
}

impl Asked<'_> {
    /// Such as `02-1`.
    fn id(&self) -> &str {
        self.name.strip_prefix("q-").unwrap_or(self.name)
    }

    /// The options that say to be right.
    fn right(&self) -> Vec<usize> {
        let mark = format!("<!-- ANCHOR: a-{} -->\n**Right.** ", self.id());
        let options = self.options.iter().enumerate();
        let right = options.filter(|(_, it)| it.answer.contains(&mark));
        right.map(|(nth, _)| nth).collect()
    }

    fn has_letters(&self) -> bool {
        let mut options = self.options.iter().zip(LETTERS);
        options
            .all(|(it, letter)| it.summary.starts_with(&format!("{letter}. ")))
    }

    /// Whether each option says why.
    fn answers_back(&self) -> bool {
        OPTIONS.contains(&self.options.len())
            && self
                .options
                .iter()
                .all(|it| it.answer.split_whitespace().count() >= WHY)
    }

    /// The right option is longer than all others.
    fn is_told_by_length(&self) -> bool {
        let lengths: Vec<_> =
            self.options.iter().map(|it| length(it.summary)).collect();
        let longest = lengths.iter().max();
        let longest = (0..lengths.len())
            .filter(|nth| lengths.get(*nth) == longest)
            .collect::<Vec<_>>();
        longest == self.right()
    }
}

fn malformed(course: &Course) -> Vec<String> {
    let answers = course.text("answers");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (page, _) in LESSONS {
        let text = course.text(page);
        let questions = asked(page, &text, "ask");
        count += questions.len();
        for (nth, question) in questions.iter().enumerate() {
            let id = format!("{}-{}", &page[..2], nth + 1);
            let number = id.replace('-', ".");
            let begins = format!(" id=\"q-{id}\">\n\n**Question {number}.** ");
            if !question.text.starts_with(&begins) || question.id() != id {
                wrong.push(format!("{page}: no question {number} in its turn"));
            }
            let right = question.right();
            if right.len() != 1
                || !question.answers_back()
                || !question.has_letters()
            {
                wrong.push(format!("{page}: the options of {number}"));
            }
            let letter = right.first().map_or("?", |nth| LETTERS[*nth]);
            let pair = format!(
                "[Question {number}]({page}.md#q-{id}): **{letter}**\n\n\
                 {{{{#include {page}.md:a-{id}}}}}\n"
            );
            if !answers.contains(&pair) {
                wrong.push(format!("answers: {number} is not answered"));
            }
        }
    }
    if answers.matches("{{#include ").count() != count {
        wrong.push("answers: not one for each question".to_owned());
    }
    wrong
}

/// Where a page does not ask enough, or in the wrong places.
fn badly_placed(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for (page, _) in LESSONS {
        let text = course.text(page);
        let questions = asked(page, &text, "ask");
        let (_, end) = text.split_once("\n## Questions\n").unwrap_or_default();
        let last = asked(page, end, "ask").len();
        if !QUESTIONS.contains(&questions.len()) || last > LAST {
            wrong.push(format!("{page}: {} questions", questions.len()));
        }
        let looks_back = |it: &Asked<'_>| it.text.contains("From page 0");
        if page != LESSONS[0].0 && !questions.iter().any(looks_back) {
            wrong.push(format!("{page}: no question looks back"));
        }
        let (_, breaks) =
            text.split_once("\n## Break it\n").unwrap_or_default();
        let breaks = breaks.split("\n## ").next().unwrap_or_default();
        if asked(page, breaks, "predict").is_empty() {
            wrong.push(format!("{page}: a break without a prediction"));
        }
        let mut names = BTreeSet::new();
        for guess in asked(page, &text, "predict") {
            let is_new = names.insert(guess.name);
            if !is_new || !guess.answers_back() {
                wrong.push(format!("{page}: the prediction {}", guess.name));
            }
        }
    }
    wrong
}

#[test]
fn each_option_of_a_question_answers_back_and_one_is_right() {
    assert_none(&malformed(&Course::ours()));
}

#[test]
fn what_is_wrong_with_a_question_is_named() {
    let course = Course::copy();
    let page = "book/src/02_accept_send_close.md";
    course.change(page, "id=\"q-02-1\"", "id=\"q-02-9\"");
    course.change(page, "<!-- ANCHOR: a-02-2 -->\n**Right.**", "**Yes.**");
    course.change("book/src/answers.md", ":a-03-2}}", ":a-03-1}}");

    let complaints = malformed(&course);

    assert_eq!(
        complaints,
        [
            "02_accept_send_close: no question 02.1 in its turn",
            "02_accept_send_close: the options of 02.2",
            "answers: 02.2 is not answered",
            "answers: 03.2 is not answered",
        ]
    );
}

#[test]
fn questions_and_predictions_stand_where_they_belong() {
    assert_none(&badly_placed(&Course::ours()));
}

#[test]
fn a_page_that_does_not_ask_is_named() {
    let course = Course::copy();
    let page = "book/src/03_threads.md";
    let text = course.read(page).replace("From page 0", "From page 1");
    course.write(page, &text.replace("class=\"predict\"", "class=\"x\""));

    let complaints = badly_placed(&course);

    assert_eq!(
        complaints,
        [
            "03_threads: no question looks back",
            "03_threads: a break without a prediction",
        ]
    );
}

#[test]
fn the_right_option_is_rarely_the_longest() {
    let course = Course::ours();
    let (mut count, mut told) = (0, Vec::new());
    for (page, _) in LESSONS {
        let text = course.text(page);
        for question in asked(page, &text, "ask") {
            count += 1;
            if question.is_told_by_length() {
                told.push(format!("{}: {}", question.page, question.name));
            }
        }
    }

    assert!(3 * told.len() <= count, "the longest is right: {told:?}");
}

#[test]
fn a_right_option_that_is_longer_than_the_others_is_noticed() {
    let option = |letter, summary, answer| {
        format!(
            "<details name=\"q-01-1\"><summary>{letter}. {summary}</summary>\n\
             \n{answer}\n\n</details>\n"
        )
    };
    let right = "<!-- ANCHOR: a-01-1 -->\n**Right.** Because.\n";
    let question = |summary| {
        let options =
            option("a", "short", "No.") + &option("b", summary, right);
        format!("<div class=\"ask\" id=\"q-01-1\">\n\n{options}\n</div>\n")
    };
    let told = |text: &str| asked("page", text, "ask")[0].is_told_by_length();

    assert!(told(&question("much longer")));
    assert!(!told(&question("long")));
}
