//! What a rung found wrong, in words that help.

use std::fmt::{self, Display, Write};

/// At most this many bytes of a piece of data are shown.
const SHOWN: usize = 120;

/// Why a rung was not climbed.
#[derive(Clone, Debug)]
pub struct Finding {
    pub(crate) came: String,
    pub(crate) expected: String,
    pub(crate) means: String,
    /// Whether `means` also explains why the program has ended, if it has.
    pub(crate) explains_end: bool,
}

impl Finding {
    pub(crate) fn new(
        came: impl Into<String>,
        expected: impl Into<String>,
        means: impl Into<String>,
    ) -> Self {
        let (came, expected) = (came.into(), expected.into());
        let means = means.into();
        Self { came, expected, means, explains_end: false }
    }

    /// The same, with another explanation.
    pub(crate) fn meaning(self, means: &str) -> Self {
        Self { means: means.to_owned(), ..self }
    }

    /// The same, where something else was expected.
    pub(crate) fn expecting(self, expected: String) -> Self {
        Self { expected, ..self }
    }

    /// The same, with an explanation that holds when the program has ended,
    /// too.
    pub(crate) fn harm(self, means: &str) -> Self {
        Self { explains_end: true, ..self.meaning(means) }
    }

    /// A finding about the machine, not about the program.
    pub(crate) fn of_machine(what: &str, error: &dyn Display) -> Self {
        Self::new(
            format!("{what}: {error}"),
            "a machine on which this works",
            "the fault is not your program's. Close other programs and try \
             again.",
        )
    }
}

/// On which rung a program failed, and why.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which rung, counted from 0.
    pub rung: usize,
    /// The rung's name.
    pub name: &'static str,
    pub(crate) sent: Vec<String>,
    pub(crate) finding: Finding,
    pub(crate) programs: Vec<String>,
}

impl Failure {
    /// What came from the program, in short: for one line of a table.
    #[must_use]
    pub fn came(&self) -> &str {
        &self.finding.came
    }
}

/// The whole message, as a student reads it.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rung {}, {}", self.rung + 1, self.name)?;
        row(f, "sent", &self.sent.join("\n"))?;
        row(f, "came", &self.finding.came)?;
        row(f, "expected", &self.finding.expected)?;
        row(f, "usually means", &self.finding.means)?;
        for program in &self.programs {
            row(f, "the program", program)?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, head: &str, text: &str) -> fmt::Result {
    const HEAD: usize = 15;
    const WIDTH: usize = 62;
    let mut head = head;
    for line in text.lines().flat_map(|line| wrapped(line, WIDTH)) {
        writeln!(f, "  {head:<HEAD$}{line}")?;
        head = "";
    }
    Ok(())
}

/// Breaks a line between words. A word that is too long, such as a path, stays
/// whole: it can be copied.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let mut lines = vec![" ".repeat(indent)];
    // Several spaces in a row stay: they may be what is wrong.
    for word in line.trim_start().split(' ') {
        let last = lines.last_mut().filter(|last| {
            last.trim().is_empty()
                || last.chars().count() + 1 + word.chars().count() <= width
        });
        if let Some(last) = last {
            if !last.trim().is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        } else {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        }
    }
    lines
}

/// Bytes as they would stand in Rust: `"hel\xc3\xb6\n"`. The middle of a long
/// piece is left out, and its size given.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    if bytes.len() <= SHOWN {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    let (begin, rest) = bytes.split_at(SHOWN * 3 / 4);
    let end = &rest[rest.len() - SHOWN / 4..];
    let mut text = String::new();
    let _ = write!(text, "\"{}\" … ", begin.escape_ascii());
    let _ = write!(text, "\"{}\"", end.escape_ascii());
    let _ = write!(text, " ({} bytes)", bytes.len());
    text
}
