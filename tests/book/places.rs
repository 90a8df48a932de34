//! Each mistake of the Python originals, and each symptom, has one place in
//! the book, with something to read behind it.

use crate::assert_none;
use crate::course::Course;
use crate::page::Piece;

/// How many mistakes of the originals have a place.
const MISTAKES: usize = 63;

/// How many problems *Symptoms* has.
const SYMPTOMS: usize = 13;

/// Fewer words than this explain no mistake.
const LEAST: usize = 12;

/// The page of the mistakes.
const FILE: &str = "book/src/python.md";

/// A place that a link can lead to, and the number of words that follow.
struct Place {
    id: String,
    words: usize,
}

/// The places of mistakes and symptoms. A heading ends a place, as does the
/// next place.
fn places(course: &Course) -> Vec<Place> {
    let mut all = Vec::<Place>::new();
    for page in course.pages() {
        let mut open = false;
        for piece in course.shown(&page) {
            open &= !matches!(piece, Piece::Title { .. });
            for id in piece.ids().into_iter().filter(|id| is_place(id)) {
                all.push(Place { id, words: 0 });
                open = true;
            }
            if let Piece::Words(text) | Piece::Code(text) = piece
                && let (true, Some(place)) = (open, all.last_mut())
            {
                place.words += text.split_whitespace().count();
            }
        }
    }
    all
}

fn is_place(id: &str) -> bool {
    let number = id.strip_prefix("m-").or_else(|| id.strip_prefix("s-"));
    number.is_some_and(|nth| nth.parse::<usize>().is_ok())
}

fn wrong_places(course: &Course) -> Vec<String> {
    let places = places(course);
    let mut wrong = Vec::new();
    let ids = (1..=MISTAKES)
        .map(|nth| format!("m-{nth}"))
        .chain((1..=SYMPTOMS).map(|nth| format!("s-{nth}")));
    for id in ids {
        let here: Vec<_> = places.iter().filter(|it| it.id == id).collect();
        match here[..] {
            [Place { words, .. }] if *words >= LEAST => {}
            [place] => wrong.push(format!("{id}: {} words", place.words)),
            _ => wrong.push(format!("{id}: {} places", here.len())),
        }
    }
    wrong
}

/// The mistakes that have not their number in a heading of their page.
fn without_number(course: &Course) -> Vec<String> {
    let text = course.read(FILE);
    let has_number = |nth: &usize| {
        let end = format!(" {{#m-{nth}}}");
        let heading = format!("### {nth} · ");
        text.lines().any(|it| it.starts_with(&heading) && it.ends_with(&end))
    };
    let without = (1..=MISTAKES).filter(|nth| !has_number(nth));
    without.map(|nth| format!("m-{nth}: no number")).collect()
}

#[test]
fn each_mistake_and_each_symptom_has_one_place() {
    assert_none(&wrong_places(&Course::ours()));
}

#[test]
fn a_mistake_without_a_word_is_named() {
    let course = Course::copy();
    course.change(FILE, "{#m-22}", "{#m-22}\n\n### More");

    let complaints = wrong_places(&course);

    assert_eq!(complaints, ["m-22: 0 words"]);
}

#[test]
fn a_mistake_in_a_comment_or_in_two_places_is_named() {
    let course = Course::copy();
    course.change(FILE, " {#m-22}", "");
    course.append(FILE, "\n<!-- <a id=\"m-22\"></a> -->\n");
    course.append(FILE, "\n<a id=\"m-21\"></a>\n");

    let complaints = wrong_places(&course);

    assert_eq!(complaints, ["m-21: 2 places", "m-22: 0 places"]);
}

#[test]
fn each_mistake_has_its_number_in_its_heading() {
    assert_none(&without_number(&Course::ours()));
}

#[test]
fn a_mistake_without_its_number_is_named() {
    let course = Course::copy();
    course.change(FILE, "### 22 · ", "### 23 · ");

    let complaints = without_number(&course);

    assert_eq!(complaints, ["m-22: no number"]);
}
