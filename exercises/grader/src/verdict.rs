//! The verdict on one exercise of one submission.

use std::fmt;
use std::time::Duration;

use checks::Exercise;

/// At most this many bytes of a message are kept.
pub const MESSAGE: usize = 8 * 1024;

/// How the message begins when a compiler ended without saying an error.
pub const BROKE_DOWN: &str = "the compiler broke down";

/// What came of one exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All rungs were climbed.
    Pass,
    /// A rung was not climbed.
    Fail {
        /// Which one, counted from 1.
        rung: usize,
        /// What the check says.
        message: String,
    },
    /// The compiler's first error.
    DoesNotCompile(String),
    /// There is nothing to judge, and why.
    Missing(String),
    /// Building it, or checking it, took too long.
    TimedOut {
        /// How many rungs had been climbed.
        climbed: usize,
        /// What took too long.
        message: String,
    },
    /// The program ended its own check, or the machine failed.
    NotJudged(String),
}

impl Verdict {
    /// Whether nothing is left to be done.
    #[must_use]
    pub fn passed(&self) -> bool {
        *self == Self::Pass
    }

    /// Whether it is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::NotJudged(_))
    }

    /// Whether it may be the fault of a program of somebody else's: one can
    /// kill checks and compilers, and take the memory from them.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        match self {
            Self::NotJudged(_) => true,
            Self::DoesNotCompile(why) => why.starts_with(BROKE_DOWN),
            _ => false,
        }
    }

    /// How many rungs of `exercise` count.
    #[must_use]
    pub fn score(&self, exercise: &Exercise) -> usize {
        match self {
            Self::Pass => exercise.rungs.len(),
            Self::Fail { rung, .. } => rung - 1,
            Self::TimedOut { climbed, .. } => *climbed,
            Self::DoesNotCompile(_) | Self::Missing(_) | Self::NotJudged(_) => {
                0
            }
        }
    }

    /// Why it did not pass; empty if it did.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Pass => "",
            Self::Fail { message, .. }
            | Self::DoesNotCompile(message)
            | Self::Missing(message)
            | Self::TimedOut { message, .. }
            | Self::NotJudged(message) => message,
        }
    }
}

/// In a word or two, for a table.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Pass => "pass",
            Self::Fail { rung, .. } => return write!(f, "rung {rung}"),
            Self::DoesNotCompile(_) => "does not compile",
            Self::Missing(_) => "missing",
            Self::TimedOut { .. } => "timed out",
            Self::NotJudged(_) => "not judged",
        };
        f.write_str(words)
    }
}

/// One exercise of one submission, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Which exercise.
    pub exercise: &'static Exercise,
    /// What came of it.
    pub verdict: Verdict,
    /// What was left out of it.
    pub notes: Vec<String>,
    /// How long it was checked.
    pub time: Duration,
}

impl Judged {
    /// The message and the notes, as their author is to read them.
    #[must_use]
    pub fn output(&self) -> String {
        let notes = self.notes.iter().map(|note| format!("Note: {note}"));
        let message = self.verdict.message().trim_end().to_owned();
        let parts = std::iter::once(message).chain(notes);
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }
}

/// Text that plays with nobody's terminal, cut after [`MESSAGE`] bytes.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut end = text.len().min(MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut plain: String = text[..end].chars().map(harmless).collect();
    if end < text.len() {
        plain.push_str("\n… (cut)");
    }
    plain
}

fn harmless(c: char) -> char {
    // These turn the direction of the text round.
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let control = c.is_control() && c != '\n' && c != '\t';
    // One of these, which XML forbids, would spoil the file of a whole class.
    let none = matches!(c, '\u{fffe}' | '\u{ffff}');
    if turns || control || none { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_where_a_character_ends() {
        let text = "ö".repeat(MESSAGE);
        let plain = plain(&format!("x{text}"));
        assert!(plain.len() < MESSAGE + 20);
        assert!(plain.ends_with("ö\n… (cut)"), "{plain}");
    }

    #[test]
    fn a_terminal_is_not_played_with() {
        assert_eq!(plain("a\x1b[2J\u{202e}b\n"), "a\u{fffd}[2J\u{fffd}b\n");
    }

    #[test]
    fn what_xml_forbids_is_left_out() {
        assert_eq!(plain("a\u{fffe}b\u{ffff}"), "a\u{fffd}b\u{fffd}");
    }
}
