//! Climbs a ladder, and prints it.

use std::ffi::OsString;

use checks::{CommandLine, Outcome, Step, climb_until};
use colored::Colorize;
use first_socket::ctrl_c;
use first_socket::errors::Error;

use crate::compile::{Built, compile};
use crate::overview;
use crate::progress;
use crate::screen::{put, say};
use crate::starter;
use crate::task::Task;
use crate::tree::Tree;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All rungs were climbed.
    Done,
    /// A rung was not, or there is no program.
    NotYet,
    /// It was given up.
    GivenUp,
}

/// Checks once: the student's program, or the one of a command line. Whether
/// all rungs were climbed.
///
/// # Errors
/// When there is nothing to check.
pub fn check(
    tree: &Tree,
    task: Task,
    command: Vec<OsString>,
) -> Result<bool, Error> {
    let mut words = command.into_iter();
    let verdict = match words.next() {
        Some(program) => {
            let line = CommandLine::new(program, words);
            climb(tree, task, line, true, &ctrl_c::stopping)?
        }
        None => build_and_climb(tree, task, &ctrl_c::stopping)?,
    };
    match verdict {
        Verdict::Done => overview::say_next(tree, None)?,
        Verdict::NotYet if task.is_exercise() => {
            say(format_args!("Stuck? cargo course hint {}", task.name()));
        }
        Verdict::NotYet => {}
        Verdict::GivenUp => say("Stopped, and nothing is remembered."),
    }
    Ok(verdict == Verdict::Done)
}

/// Builds the student's program, and climbs with it.
///
/// # Errors
/// When there is nothing to build.
pub fn build_and_climb(
    tree: &Tree,
    task: Task,
    given_up: &dyn Fn() -> bool,
) -> Result<Verdict, Error> {
    if !tree.path(&task.file()).exists() {
        return Err(starter::missing(task));
    }
    say(format_args!("Building {} …", task.name()));
    let (path, warning) = match compile(tree, task, given_up)? {
        Built::Program(path, warning) => (path, warning),
        Built::Broken(words) => {
            say(format_args!("\n{} does not compile:", task.name()));
            say(format_args!("\n{words}\n"));
            return Ok(Verdict::NotYet);
        }
        Built::GivenUp => return Ok(Verdict::GivenUp),
    };
    // The rungs that the starter climbs are not the student's.
    let counts = !starter::is_untouched(tree, task);
    let verdict = climb(tree, task, (&path).into(), counts, given_up)?;
    if let Some(warning) = warning.filter(|_| verdict != Verdict::GivenUp) {
        say(format_args!("The compiler warns:\n\n{warning}\n"));
    }
    Ok(verdict)
}

fn climb(
    tree: &Tree,
    task: Task,
    program: CommandLine,
    counts: bool,
    given_up: &dyn Fn() -> bool,
) -> Result<Verdict, Error> {
    say(format_args!("\n{}", task.ladder));
    let mut nth = 0;
    let outcome =
        climb_until(task.ladder, program, given_up, |step| match step {
            Step::At(rung) => {
                nth += 1;
                put(rung.line(nth));
            }
            Step::Climbed => say("ok".green()),
            Step::Failed => say("FAILED".red().bold()),
        });
    let Some(outcome) = outcome else {
        say("");
        return Ok(Verdict::GivenUp);
    };
    if counts {
        progress::change(tree, task, |mark| {
            mark.climbed = mark.climbed.max(outcome.climbed);
        })?;
    }
    Ok(conclude(task, outcome))
}

fn conclude(task: Task, outcome: Outcome) -> Verdict {
    let name = task.name();
    let Some(failure) = outcome.fall else {
        let text = format!("All rungs climbed. {name} is solved.");
        say(format_args!("\n{}", text.green().bold()));
        say(format_args!(
            "A right answer to compare: cargo course answer {name}\n"
        ));
        return Verdict::Done;
    };
    say(format_args!("\n{failure}"));
    say(format_args!("Task: {}", task.text()));
    Verdict::NotYet
}
