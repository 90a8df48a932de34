//! What is printed at the end: a row for each submission, and the sums.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::submission::Submission;
use crate::verdict::{Judged, Verdict};

/// A longer name is cut in the table.
const LONGEST_NAME: usize = 40;

/// A word for some verdicts, and which they are.
type Kind = (&'static str, fn(&Verdict) -> bool);

/// What stands between two columns.
const GAP: &str = "  ";

/// A submission with its verdicts, in the order of the exercises.
pub type Row<'r> = (&'r Submission, Vec<&'r Judged>);

/// The table, with a line of sums below it.
#[must_use]
pub fn table(rows: &[Row<'_>]) -> String {
    let names = checks::ALL.iter().map(|exercise| exercise.name.to_owned());
    let head = ["submission".to_owned()].into_iter().chain(names);
    let mut lines: Vec<Vec<String>> =
        vec![head.chain(["passed".to_owned()]).collect()];
    lines.extend(rows.iter().map(|(submission, all)| {
        let passed = all.iter().filter(|judged| judged.verdict.passed());
        let passed = format!("{} of {}", passed.count(), all.len());
        let mut line = vec![short(&submission.shown())];
        line.extend(all.iter().map(|judged| judged.verdict.to_string()));
        line.push(passed);
        line
    }));
    let mut text = aligned(&lines);
    text.push('\n');
    text.push_str(&sums(rows));
    text
}

/// The whole messages of one submission.
#[must_use]
pub fn messages((_, all): &Row<'_>) -> String {
    let mut text = String::new();
    for judged in all {
        let output = judged.output();
        if !output.is_empty() {
            let exercise = judged.exercise;
            let (name, title) = (exercise.name, exercise.title);
            let verdict = &judged.verdict;
            let _ = writeln!(text, "{name}, {title}: {verdict}\n{output}\n");
        }
    }
    text
}

fn short(name: &str) -> String {
    if name.width() <= LONGEST_NAME {
        return name.to_owned();
    }
    let mut short = String::new();
    for c in name.chars() {
        short.push(c);
        if short.width() >= LONGEST_NAME {
            short.pop();
            break;
        }
    }
    short + "…"
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            // `{:<n}` would count letters, and some take two columns.
            let gap = " ".repeat(width.saturating_sub(cell.width()));
            let _ = write!(row, "{cell}{gap}{GAP}");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// `200 submissions, 1000 exercises: 912 passed, 60 failed, …`
fn sums(rows: &[Row<'_>]) -> String {
    let all: Vec<&Verdict> = rows
        .iter()
        .flat_map(|(_, all)| all.iter().map(|judged| &judged.verdict))
        .collect();
    let kinds: [Kind; 6] = [
        ("passed", Verdict::passed),
        ("failed", |v| matches!(v, Verdict::Fail { .. })),
        ("not compiled", |v| matches!(v, Verdict::DoesNotCompile(_))),
        ("missing", |v| matches!(v, Verdict::Missing(_))),
        ("timed out", |v| matches!(v, Verdict::TimedOut { .. })),
        ("not judged", Verdict::is_none),
    ];
    let counts = kinds.iter().filter_map(|(word, is)| {
        let count = all.iter().filter(|verdict| is(verdict)).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    let counts: Vec<_> = counts.collect();
    let plural = if rows.len() == 1 { "" } else { "s" };
    let (rows, sum, counts) = (rows.len(), all.len(), counts.join(", "));
    format!("{rows} submission{plural}, {sum} exercises: {counts}\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn columns_are_aligned_whatever_the_letters() {
        let submissions = ["anna", "李", "b\u{1b}[2J"].map(|name| Submission {
            name: name.into(),
            folder: None,
            exercises: Err(String::new()),
        });
        let judged = checks::ALL.map(|exercise| Judged {
            exercise,
            verdict: Verdict::Pass,
            notes: Vec::new(),
            time: Duration::ZERO,
        });
        let rows: Vec<Row<'_>> =
            submissions.iter().map(|s| (s, judged.iter().collect())).collect();

        let table = table(&rows);

        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[1].find("pass"), Some(12));
        assert_eq!(
            lines[2],
            "李          pass  pass  pass  pass  pass  5 of 5"
        );
        assert!(lines[3].starts_with("b\\u{1b}[2J"), "{table}");
        assert_eq!(lines[5], "3 submissions, 15 exercises: 15 passed");
    }

    #[test]
    fn a_long_name_is_cut() {
        let cut = short(&"李".repeat(40));
        assert!(cut.width() <= LONGEST_NAME && cut.ends_with("李…"), "{cut}");
    }
}
