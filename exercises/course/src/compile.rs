//! Builds a student's program with cargo.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use first_socket::errors::Error;
use harness::{Child, Deadline, NoLine, Stream};
use serde_json::Value;

use crate::task::Task;
use crate::tree::Tree;

/// How many bytes of what cargo prints wait to be looked at.
const ROOM: usize = 16 * 1024 * 1024;

/// How often we look whether the build is given up.
const LOOK_TIME: Duration = Duration::from_millis(50);

/// How many lines of what a compiler says are shown.
const SHOWN: usize = 24;

/// What came of a build.
#[derive(Debug)]
pub enum Built {
    /// The program, and the compiler's first warning, short.
    Program(PathBuf, Option<String>),
    /// The compiler's first error, short.
    Broken(String),
    /// It was given up; nothing of it runs any longer.
    GivenUp,
}

/// Builds the program of a task.
///
/// # Errors
/// When cargo cannot be started.
pub fn compile(
    tree: &Tree,
    task: Task,
    given_up: &dyn Fn() -> bool,
) -> Result<Built, Error> {
    let cargo = Child::start(command(tree, task), ROOM).map_err(|error| {
        let advice = "Is Rust installed? `cargo --version` should say so.";
        Error::new("cannot start cargo", &error, advice)
    })?;
    let (mut program, mut words) = (None, Vec::new());
    loop {
        // Dropping it ends cargo, and every compiler.
        if given_up() {
            return Ok(Built::GivenUp);
        }
        match cargo.next_of_either(Deadline::after(LOOK_TIME)) {
            Ok((Stream::Stdout, line)) => {
                program = executable(&line, task).or(program);
            }
            Ok((Stream::Stderr, line)) => words.push(line),
            Err(NoLine::Silence) => {}
            Err(NoLine::Ended | NoLine::Flood) => break,
        }
    }
    let Some(program) = program else {
        return Ok(Built::Broken(first_error(&words)));
    };
    Ok(Built::Program(program, first_warning(&words)))
}

fn command(tree: &Tree, task: Task) -> Command {
    let mut command = Command::new(cargo_program());
    command.args(["build", "-q", "--color=never"]);
    // Errors as a student knows them on stderr, all else as JSON on stdout.
    command.arg("--message-format=json-render-diagnostics");
    command.args(task.selection());
    command.current_dir(tree.path("")).stdin(Stdio::null());
    command
}

/// Cargo says to what it runs which cargo it is.
fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Where the program is, if this line of cargo's messages says so:
/// <https://doc.rust-lang.org/cargo/reference/external-tools.html>.
fn executable(line: &str, task: Task) -> Option<PathBuf> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line["target"]["name"] != task.name() {
        return None;
    }
    line["executable"].as_str().map(PathBuf::from)
}

/// The first error among the words of cargo, or all of them if there is none.
fn first_error(words: &[String]) -> String {
    let Some((mut text, more)) = first(words, "error", "") else {
        return short(words);
    };
    // Cargo's own last line counts itself as one.
    if more > 1 {
        let _ = write!(text, "\n\nand {} more, which may go with it", more - 1);
    }
    text
}

/// The first warning, if there is one. A result that nobody looks at is often
/// the very mistake.
fn first_warning(words: &[String]) -> Option<String> {
    let (text, more) = first(words, "warning", "must be used")?;
    Some(match more {
        0 => text,
        1 => text + "\n\nand 1 more warning",
        _ => format!("{text}\n\nand {more} more warnings"),
    })
}

/// The first of what begins so, short, and how many more there are; rather one
/// that says this.
fn first(
    words: &[String],
    begin: &str,
    rather: &str,
) -> Option<(String, usize)> {
    let begins = |line: &&String| line.starts_with(begin);
    let says = |line: &String| begins(&line) && line.contains(rather);
    let at = words.iter().position(says);
    let from = &words[at.or(words.iter().position(|it| begins(&it)))?..];
    let end = from.iter().position(String::is_empty).unwrap_or(from.len());
    let count = words.iter().filter(begins).count();
    Some((short(&from[..end]), count - 1))
}

fn short(lines: &[String]) -> String {
    let more = if lines.len() > SHOWN { "\n…" } else { "" };
    lines[..lines.len().min(SHOWN)].join("\n") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_first_error_is_shown_and_the_others_are_counted() {
        let words = lines(
            "warning: unused\n --> a\n\nerror[E0425]: no `now`\n --> b\n  |\n\n\
             error: two\n\nerror: could not compile `ex02`",
        );
        let text = first_error(&words);
        let rest = "and 1 more, which may go with it";
        assert_eq!(
            text,
            format!("error[E0425]: no `now`\n --> b\n  |\n\n{rest}")
        );
    }

    #[test]
    fn the_first_warning_is_shown_and_the_others_are_counted() {
        let mut words = lines("warning: one\n --> a");
        let begin = "warning: one\n --> a";
        assert_eq!(first_warning(&words).as_deref(), Some(begin));
        for rest in ["and 1 more warning", "and 2 more warnings"] {
            words.extend(lines("\nwarning: another\n --> b"));
            let text = format!("{begin}\n\n{rest}");
            assert_eq!(first_warning(&words), Some(text));
        }
        words.extend(lines("\nwarning: unused `Result` that must be used"));
        let text = first_warning(&words).unwrap();
        assert!(text.starts_with("warning: unused `Result`"), "{text}");
        assert!(text.ends_with("and 3 more warnings"), "{text}");
        assert_eq!(first_warning(&[]), None);
    }

    #[test]
    fn words_that_are_no_error_are_shown_all_the_same() {
        assert_eq!(first_error(&lines("killed\n\nbye")), "killed\n\nbye");
        assert_eq!(first_error(&[]), "");
    }

    #[test]
    fn the_program_is_the_one_of_the_task() {
        let task: Task = "ex02".parse().unwrap();
        let line = |name| {
            format!(r#"{{"target":{{"name":"{name}"}},"executable":"/x/y"}}"#)
        };
        assert_eq!(executable(&line("ex02"), task), Some("/x/y".into()));
        assert_eq!(executable(&line("ex03"), task), None);
        assert_eq!(executable("nonsense", task), None);
    }
}
