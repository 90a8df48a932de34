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
const LEAST: usize = 25;

/// A place that a link can lead to, and the number of words that follow.
struct Place {
    page: String,
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
                all.push(Place { page: page.clone(), id, words: 0 });
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

/// What the instructors' table says of each mistake: its number, and where.
fn table(course: &Course) -> Vec<(String, String)> {
    let text = course.text("instructors");
    let (_, table) = text.split_once("{#mistakes}").unwrap_or_default();
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (number, page) = (cells.get(1)?, cells.get(3)?);
        number.parse::<usize>().ok()?;
        Some(((*number).to_owned(), (*page).to_owned()))
    });
    rows.collect()
}

fn wrong_rows(course: &Course) -> Vec<String> {
    let (table, places) = (table(course), places(course));
    let mut wrong = Vec::new();
    for nth in 1..=MISTAKES {
        let rows: Vec<_> = table
            .iter()
            .filter(|(number, _)| *number == nth.to_string())
            .collect();
        let id = format!("m-{nth}");
        let page = places.iter().find(|place| place.id == id);
        let page = page.map(|place| place.page.as_str()).unwrap_or_default();
        let link = format!("]({page}.md#{id})");
        if rows.len() != 1 || !rows[0].1.ends_with(&link) {
            wrong.push(format!("{nth}: not one row that leads to {link}"));
        }
    }
    wrong
}

#[test]
fn each_mistake_and_each_symptom_has_one_place() {
    assert_none(&wrong_places(&Course::ours()));
}

#[test]
fn a_mistake_without_a_word_is_named() {
    let course = Course::copy();
    let page = "book/src/01_bind_listen.md";
    course.change(page, r#"<a id="m-22"></a>"#, "");
    course.change(
        page,
        "### Words for",
        "<a id=\"m-22\"></a>\n\n### Words for",
    );

    let complaints = wrong_places(&course);

    assert_eq!(complaints, ["m-22: 0 words"]);
}

#[test]
fn a_mistake_in_a_comment_or_in_two_places_is_named() {
    let course = Course::copy();
    let page = "book/src/01_bind_listen.md";
    let id = r#"<a id="m-22"></a>"#;
    course.change(page, id, &format!("<!-- {id} -->"));
    course.append(page, "\n<a id=\"m-21\"></a>\n");

    let complaints = wrong_places(&course);

    assert_eq!(complaints, ["m-21: 2 places", "m-22: 0 places"]);
}

#[test]
fn the_instructors_table_leads_to_each_mistake() {
    assert_none(&wrong_rows(&Course::ours()));
}

#[test]
fn a_row_that_leads_elsewhere_or_is_missing_is_named() {
    let course = Course::copy();
    let page = "book/src/instructors.md";
    course.change(page, "(01_bind_listen.md#m-2)", "(01_bind_listen.md#m-1)");
    course.change(page, "| 63 |", "| 64 |");

    let complaints = wrong_rows(&course);

    assert_eq!(
        complaints,
        [
            "2: not one row that leads to ](01_bind_listen.md#m-2)",
            "63: not one row that leads to ](05_file_transfer.md#m-63)",
        ]
    );
}
