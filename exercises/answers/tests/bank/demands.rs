//! Every sentence of a task is judged: the tables in `demands/` say where.
//!
//! A table holds all sentences of a README, in their order: what demands
//! something stands beside the rung that judges it, and the wrong answers that
//! break it and fall there.

use std::fs;
use std::path::Path;

use checks::{ALL, Exercise};

use crate::assert_none;
use crate::known::WRONG;

/// What stands for the rung where a sentence demands nothing.
const NONE: &str = "–";

/// A row of a table: a sentence, its rung, and its wrong answers.
#[derive(Debug)]
struct Row<'t> {
    sentence: &'t str,
    rung: &'t str,
    answers: &'t str,
}

impl Row<'_> {
    /// What stands in backticks in its last column.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.answers.split('`').skip(1).step_by(2)
    }
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter_map(|line| {
        let mut cells =
            line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let row = Row {
            sentence: cells.next()?,
            rung: cells.next()?,
            answers: cells.next()?,
        };
        Some(row)
    });
    // Behind the head; the line below it has no spaces.
    lines.skip(1).collect()
}

/// The words of a task: a README without its headings, programs, rungs and
/// hints, and without the targets of its links.
fn words(readme: &str) -> Vec<String> {
    let (task, _) = readme.split_once("\n## The rungs").unwrap();
    let prose = task.split("```").step_by(2);
    let lines = prose
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('#') && !line.starts_with("|---"));
    let lines: Vec<_> = lines
        .map(|line| line.trim().trim_start_matches("- ").replace('|', " "))
        .collect();
    without_targets(&lines.join(" "))
}

/// The words of a text; a link is its text alone, in brackets.
fn without_targets(text: &str) -> Vec<String> {
    let mut parts = text.split("](");
    let mut words = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once(')').unwrap();
        words.push(']');
        words.push_str(rest);
    }
    words.split_whitespace().map(str::to_owned).collect()
}

/// What is wrong with the table of an exercise.
fn complaints(exercise: &Exercise, readme: &str, table: &str) -> Vec<String> {
    let rows = rows(table);
    let mut complaints = Vec::new();

    let told = words(readme);
    let listed: Vec<_> =
        rows.iter().flat_map(|row| without_targets(row.sentence)).collect();
    if told != listed {
        let same = told.iter().zip(&listed).take_while(|(a, b)| a == b).count();
        let from = same.saturating_sub(8);
        let excerpt =
            |words: &[String]| words[from..words.len().min(same + 4)].join(" ");
        let (readme, table) = (excerpt(&told), excerpt(&listed));
        complaints.push(format!("README: … {readme}\n table: … {table}"));
    }

    complaints.extend(rows.iter().filter_map(|row| complaint(exercise, row)));
    for (name, ..) in WRONG.iter().filter(|w| w.0.starts_with(exercise.name)) {
        if !rows.iter().any(|row| row.names().any(|it| it == *name)) {
            complaints.push(format!("{name} breaks no sentence"));
        }
    }
    complaints
}

fn complaint(exercise: &Exercise, row: &Row<'_>) -> Option<String> {
    let Row { sentence, rung, answers } = row;
    if has_two_sentences(sentence) {
        return Some(format!("more than one sentence: {sentence}"));
    }
    let wrong = |name: &str| WRONG.iter().any(|w| w.0 == name && w.1 == *rung);
    if *rung == NONE {
        return answers
            .is_empty()
            .then(|| format!("why is it no demand? {sentence}"));
    }
    if !exercise.rungs.iter().any(|it| it.name == *rung) {
        return Some(format!("there is no rung {rung:?}: {sentence}"));
    }
    let mut names = row.names().peekable();
    if names.peek().is_none() {
        return Some(format!("no wrong answer breaks it: {sentence}"));
    }
    let other = names.find(|name| !wrong(name))?;
    Some(format!("{other} does not fall on {rung:?}: {sentence}"))
}

/// Whether a full stop stands before a capital letter.
fn has_two_sentences(sentence: &str) -> bool {
    sentence.split(". ").skip(1).any(|rest| {
        let first =
            rest.trim_start_matches(['`', '*', '[', '(']).chars().next();
        first.is_some_and(char::is_uppercase)
    })
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn each_sentence_of_a_task_is_judged() {
    let mut all = Vec::new();
    for exercise in ALL {
        let readme = read(&format!("../{}/README.md", exercise.folder));
        let table = read(&format!("demands/{}.md", exercise.name));
        let complaints = complaints(exercise, &readme, &table);
        let of_it = |text| format!("{}: {text}", exercise.name);
        all.extend(complaints.into_iter().map(of_it));
    }

    assert_none(&all);
}

const TASK: &str = "# ex02 · The time\n\nSay the time. Then\nclose it, as\n\
                    [RFC 868](https://example.com) says.\n\n## The rungs\n";

#[track_caller]
fn assert_told(rows: &str, told: &str) {
    let exercise = ALL[1];
    let table = format!("| Sentence | Rung | Wrong answers |\n|---|\n{rows}");
    let complaints = complaints(exercise, TASK, &table);
    assert!(complaints.iter().any(|it| it.contains(told)), "{complaints:?}");
}

#[test]
fn a_demand_without_a_wrong_answer_is_named() {
    let rows = "| Say the time. | it starts | later |\n\
                | Then close it, as [RFC 868] says. | – | explains |\n";
    assert_told(rows, "no wrong answer breaks it: Say the time.");
}

#[test]
fn a_sentence_that_is_not_in_the_table_is_named() {
    assert_told("| Say the time. | – | explains |\n", "Then close it");
}

#[test]
fn a_wrong_answer_that_falls_elsewhere_is_named() {
    let rows = "| Say the time. | it starts | `ex02_flood` |\n";
    assert_told(rows, "ex02_flood does not fall on \"it starts\"");
}

#[test]
fn two_sentences_in_one_row_are_named() {
    let rows = "| Say the time. Then close it. | – | explains |\n";
    assert_told(rows, "more than one sentence");
}
