//! `cargo course` alone: what is done, what is next.

use colored::Colorize;
use first_socket::errors::Error;

use crate::progress::Progress;
use crate::screen::say;
use crate::task::{LESSONS, Task, in_order};
use crate::tree::Tree;

/// The width of a lesson's title, and of a task's.
const WIDTH: usize = 36;

/// Prints the course, and the next step.
///
/// # Errors
/// When the disk fails.
pub fn show(tree: &Tree) -> Result<(), Error> {
    let progress = Progress::read(tree)?;
    for (number, title, page) in LESSONS {
        say(format_args!("{number}  {title:WIDTH$}  book/src/{page}.md"));
        for task in Task::of_lesson(number) {
            say(line(&progress, task));
        }
    }
    say("");
    say_next(tree, None)?;
    say("All commands: cargo course --help");
    Ok(())
}

/// `      ex03  a chat room        6 of 8`.
fn line(progress: &Progress, task: Task) -> String {
    let (climbed, all) = (progress.of(task).climbed, task.rungs());
    let done = match climbed {
        0 => "-".to_owned(),
        _ if climbed >= all => format!("{all} of {all}").green().to_string(),
        _ => format!("{climbed} of {all}").yellow().to_string(),
    };
    let (name, title) = (task.name(), task.ladder.title);
    format!("    {name:4}  {title:<width$}  {done}", width = WIDTH - 6)
}

/// What to do next: in the chapter of the exercise to go on with, its changes
/// first. Whoever has begun the exercise has passed them over.
fn next(progress: &Progress) -> Option<Task> {
    let left = |task: &Task| !progress.is_done(*task);
    let Some(exercise) = progress.next_exercise() else {
        return in_order().find(left);
    };
    if progress.of(exercise).climbed > 0 {
        return Some(exercise);
    }
    Task::of_lesson(exercise.lesson().0).into_iter().find(left)
}

/// What a command means: the task that was named, or what is next. A change
/// without a copy gives way to its exercise.
///
/// # Errors
/// When nothing was named, and nothing is left.
pub fn meant(tree: &Tree, task: Option<Task>) -> Result<Task, Error> {
    let progress = Progress::read(tree)?;
    let there = |task: &Task| tree.path(&task.file()).exists();
    let task = task.or(next(&progress).filter(there));
    task.or(progress.next_exercise()).ok_or_else(|| {
        Error("no exercise is left: name one, such as ex03".to_owned())
    })
}

/// Says what is next, and what is still open before it. Whoever watches it
/// already needs no command.
///
/// # Errors
/// When the disk fails.
pub fn say_next(tree: &Tree, watched: Option<Task>) -> Result<(), Error> {
    let progress = Progress::read(tree)?;
    let Some(task) = next(&progress) else {
        say("All is done. Write a server of your own!");
        return Ok(());
    };
    say_task(&progress, task);
    let name = task.name();
    if watched.is_none_or(|it| it.name() != name) {
        let there = tree.path(&task.file()).exists();
        let verb = if there { "watch" } else { "start" };
        let command = format!("cargo course {verb} {name}");
        say(format_args!("  {}", command.bold()));
    }
    let before = in_order().take_while(|it| it.name() != name);
    let open = before.filter(|it| !progress.is_done(*it)).map(Task::name);
    let open = open.collect::<Vec<_>>().join(", ");
    if !open.is_empty() {
        say(format_args!("Still open: {open}"));
    }
    Ok(())
}

fn say_task(progress: &Progress, task: Task) {
    let ((number, title, _), name) = (task.lesson(), task.name());
    let begun = Task::of_lesson(number)
        .iter()
        .any(|task| progress.of(*task).climbed > 0);
    if !begun {
        let page = task.page();
        say(format_args!("Next: read lesson {number}, {title}: {page}"));
    }
    let word = if begun { "Next" } else { "Then" };
    let text = task.text();
    say(format_args!("{word}: {name}, {}: {text}", task.ladder.title));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::change;

    /// What is next after these tasks have been done.
    fn next_after(done: &[&str]) -> Option<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::of(folder.path());
        for name in done {
            let task: Task = name.parse().unwrap();
            change(&tree, task, |it| it.climbed = task.rungs()).unwrap();
        }
        next(&Progress::read(&tree).unwrap()).map(Task::name)
    }

    #[test]
    fn changes_come_before_the_exercise_of_their_chapter() {
        assert_eq!(next_after(&[]), Some("01c"));
        assert_eq!(next_after(&["01c"]), Some("ex01"));
        assert_eq!(next_after(&["ex01"]), Some("02a"));
        assert_eq!(next_after(&["ex03"]), Some("04a"));
    }

    #[test]
    fn what_was_passed_over_comes_at_the_end() {
        let all = ["ex01", "ex02", "ex03", "ex04", "ex05"];
        assert_eq!(next_after(&all), Some("01c"));
    }
}
