//! Each lesson's page has a picture that can be read aloud, drawn twice: wide,
//! and narrow for a phone. The browser shows one of the two.

use std::collections::BTreeSet;
use std::fs;

use crate::course::Course;
use crate::page::{Piece, attributes};
use crate::{LESSONS, assert_none};

const FOLDER: &str = "book/src/img";

fn wrong_pictures(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    let names = course.list(FOLDER);
    for name in &names {
        let text = course.read(&format!("{FOLDER}/{name}"));
        for tag in ["title", "desc"] {
            if words(&text, tag) == 0 {
                wrong.push(format!("{name}: no {tag}"));
            }
        }
        if !text.contains("role=\"img\"") {
            wrong.push(format!("{name}: no role"));
        }
        let class = match name.strip_suffix(".svg") {
            Some(stem) if !stem.ends_with("_phone") => {
                if !names.contains(&format!("{stem}_phone.svg")) {
                    wrong.push(format!("{name}: no drawing for phones"));
                }
                "wide"
            }
            _ => "phone",
        };
        if !text.contains(&format!("<svg class=\"{class}\"")) {
            wrong.push(format!("{name}: its class is not {class}"));
        }
        if text.lines().any(|line| line.trim().is_empty()) {
            wrong.push(format!("{name}: a blank line ends the HTML"));
        }
        for id in attributes(&text, "id") {
            // All pages together make the one that is printed.
            if !ids.insert(id.clone()) {
                wrong.push(format!("{name}: the id {id} twice"));
            }
        }
    }
    wrong
}

/// How many words stand in an element of a picture.
fn words(text: &str, tag: &str) -> usize {
    let element = text.split_once(&format!("<{tag}"));
    let inner = element.and_then(|(_, after)| after.split_once('>'));
    let inner = inner.and_then(|(_, after)| after.split_once("</"));
    inner.map_or(0, |(inner, _)| inner.split_whitespace().count())
}

/// The lessons that have no picture, and the pictures, each in two drawings,
/// that the browser does not meet on their lesson's page.
fn not_shown(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for (page, _) in LESSONS {
        let html: String = course.shown(page).iter().filter_map(html).collect();
        let mut names = course.list(FOLDER);
        names.retain(|name| name.starts_with(&page[..2]));
        if names.is_empty() {
            wrong.push(format!("{page} has no picture"));
        }
        for name in names {
            let text = course.read(&format!("{FOLDER}/{name}"));
            if !html.contains(text.trim_end()) {
                wrong.push(format!("{page} does not show {name}"));
            }
        }
    }
    wrong
}

fn html(piece: &Piece) -> Option<&str> {
    match piece {
        Piece::Html(html) => Some(html),
        _ => None,
    }
}

#[test]
fn each_picture_can_be_read_aloud() {
    assert_none(&wrong_pictures(&Course::ours()));
}

#[test]
fn what_is_wrong_with_a_picture_is_named() {
    let course = Course::copy();
    let picture = "book/src/img/01_queue.svg";
    let text = course.read(picture);
    let (_, title) = text.split_once("<title id=\"t-01\">").unwrap();
    let (title, _) = title.split_once('<').unwrap();
    course.change(picture, title, " ");
    course.change(picture, "<defs>", " \n<defs>");
    course.change(picture, "role=\"img\"", "id=\"t-02\"");
    let phone = "book/src/img/01_queue_phone.svg";
    course.change(phone, "class=\"phone\"", "class=\"wide\"");
    fs::remove_file(course.path("book/src/img/03_places_phone.svg")).unwrap();

    let complaints = wrong_pictures(&course);

    assert_eq!(
        complaints,
        [
            "01_queue.svg: no title",
            "01_queue.svg: no role",
            "01_queue.svg: a blank line ends the HTML",
            "01_queue_phone.svg: its class is not phone",
            "02_life.svg: the id t-02 twice",
            "03_places.svg: no drawing for phones",
        ]
    );
}

#[test]
fn each_lesson_shows_its_pictures() {
    assert_none(&not_shown(&Course::ours()));
}

#[test]
fn a_picture_that_is_not_shown_is_named() {
    let course = Course::copy();
    let include = "{{#include img/02_life.svg}}";
    let hidden = format!("<!-- {include} -->");
    course.change("book/src/02_accept_send_close.md", include, &hidden);
    let phone = "book/src/img/03_places_phone.svg";
    course.change(phone, "<defs>", "\t\n<defs>");
    for name in ["04_bytes.svg", "04_bytes_phone.svg"] {
        fs::remove_file(course.path(&format!("{FOLDER}/{name}"))).unwrap();
    }

    let complaints = not_shown(&course);

    assert_eq!(
        complaints,
        [
            "02_accept_send_close does not show 02_life.svg",
            "03_threads does not show 03_places_phone.svg",
            "04_length_prefix has no picture",
        ]
    );
}
