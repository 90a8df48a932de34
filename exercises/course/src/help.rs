//! For whoever is stuck, or done: hints and answers.

use first_socket::errors::Error;

use crate::page::Change;
use crate::progress::{self, Progress};
use crate::readme;
use crate::screen::say;
use crate::task::Task;
use crate::tree::Tree;

/// Prints the next hint; `how` to get one more.
///
/// # Errors
/// When there is none, or the disk fails.
pub fn hint(tree: &Tree, task: Task, how: &str) -> Result<(), Error> {
    if !task.is_exercise() {
        let (name, text) = (task.name(), task.text());
        say(format_args!("{name} has no hint but its page: {text}"));
        say(format_args!("Its solution: cargo course answer {name} --anyway"));
        return Ok(());
    }
    let file = task.text();
    let hints = readme::hints(&tree.read(&file)?);
    let given = progress::change(tree, task, |mark| {
        mark.hints = hints.len().min(mark.hints + 1);
    })?;
    let Some(hint) = given.hints.checked_sub(1).and_then(|at| hints.get(at))
    else {
        let advice = "git restore brings the course's own back.";
        return Err(Error(format!("{file} has no hints\n        {advice}")));
    };
    say(format_args!("{}, {hint}\n", task.name()));
    match hints.len() - given.hints {
        0 => say(
            "That is the last one. All of them stand in the exercise's README.",
        ),
        left => say(format_args!("{left} more: {how}")),
    }
    Ok(())
}

/// Prints a right answer.
///
/// # Errors
/// When the student's own is not right yet, and `anyway` was not said.
pub fn answer(tree: &Tree, task: Task, anyway: bool) -> Result<(), Error> {
    let progress = Progress::read(tree)?;
    let name = task.name();
    if !anyway && !progress.is_done(task) {
        let (climbed, all) = (progress.of(task).climbed, task.rungs());
        let help = if task.is_exercise() {
            format!("cargo course hint {name}")
        } else {
            format!("Read {}", task.page())
        };
        return Err(Error(format!(
            "the answer to {name} waits until yours is right: {climbed} of \
             {all} rungs so far\n        \
             Stuck? {help}. Or add --anyway."
        )));
    }
    if task.is_exercise() {
        let file = format!("exercises/answers/right/{name}.rs");
        let text = tree.read(&file)?;
        say(format_args!("{}\n\nThis is {file}", text.trim_end()));
        return Ok(());
    }
    let change = Change::read(tree, task)?;
    say(change.answer().unwrap_or("The page has none.".to_owned()));
    say(format_args!("\nThis is from {}", task.text()));
    Ok(())
}
