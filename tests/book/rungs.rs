//! The rungs of an exercise have the same names, in the same order, in its
//! check, in its README and on the lesson's page.

use crate::course::Course;
use crate::{LESSONS, assert_none};

const CHECKS: &str = "exercises/checks/src";

/// The rungs of the exercise `name` in the source of its check.
fn checked(course: &Course, name: &str) -> Vec<String> {
    let source = course.list(CHECKS).into_iter().find_map(|file| {
        // A check may have a folder with its parts.
        let module = file.strip_suffix(".rs")?;
        let text = course.read(&format!("{CHECKS}/{module}.rs"));
        let (_, after) = text.split_once(&format!("name: \"{name}\","))?;
        Some(after.split("\n};").next()?.to_owned())
    });
    let source = source.unwrap_or_default();
    let names = source.split("name: \"").skip(1);
    names.filter_map(|it| Some(it.split_once('"')?.0.to_lowercase())).collect()
}

/// The rungs in a part of a text: lines such as `| 1 | it starts |` and
/// `| 1 it starts |`.
fn listed(text: &str, part: &str) -> Vec<String> {
    let (_, part) = text.split_once(part).unwrap_or_default();
    let part = part.split("\n## ").next().unwrap_or_default();
    part.lines().filter_map(rung).collect()
}

fn rung(line: &str) -> Option<String> {
    let (number, name) = line.strip_prefix("| ")?.split_once(' ')?;
    number.parse::<usize>().ok()?;
    let name = name.trim_start_matches("| ").split('|').next()?;
    Some(name.trim().to_lowercase())
}

fn disagreements(course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for folder in course.list("exercises") {
        let Some((nth, _)) = folder.split_once('_') else {
            continue;
        };
        let rungs = checked(course, &format!("ex{nth}"));
        let readme = course.read(&format!("exercises/{folder}/README.md"));
        if rungs.is_empty() || listed(&readme, "\n## The rungs") != rungs {
            wrong.push(format!("{folder}: its README has not {rungs:?}"));
        }
        let page = LESSONS.iter().find(|(page, _)| page.starts_with(nth));
        let text = page.map(|(page, _)| course.text(page)).unwrap_or_default();
        if listed(&text, "\n## Exercise") != rungs {
            wrong.push(format!("{folder}: its lesson has not {rungs:?}"));
        }
    }
    wrong
}

#[test]
fn the_rungs_have_the_same_names_everywhere() {
    assert_none(&disagreements(&Course::ours()));
}

#[test]
fn a_rung_of_another_name_or_place_is_named() {
    let course = Course::copy();
    let readme = "exercises/01_free_port/README.md";
    course.change(readme, "| it starts |", "| it begins |");
    let page = "book/src/05_file_transfer.md";
    course.change(page, "| it starts |", "| it |");
    let check = "exercises/checks/src/chat.rs";
    course.change(check, "\"a crowd\"", "\"many\"");

    let complaints = disagreements(&course);

    let said: Vec<_> =
        complaints.iter().map(|it| it.split_once(" has").unwrap().0).collect();
    assert_eq!(
        said,
        [
            "01_free_port: its README",
            "03_chat: its README",
            "03_chat: its lesson",
            "05_gopher: its lesson",
        ]
    );
}
