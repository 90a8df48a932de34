//! What a task begins with: `start` and `reset`.

use std::fs;
use std::path::Path;

use first_socket::errors::Error;

use crate::keep::{keep, others};
use crate::page::Change;
use crate::progress;
use crate::screen::say;
use crate::task::Task;
use crate::tree::Tree;

/// The starters of the exercises. Those in the exercises' folders are the
/// student's to change, and would be changed in here, too.
const STARTERS: [(&str, &str); 5] = [
    ("ex01", include_str!("../starters/ex01.rs")),
    ("ex02", include_str!("../starters/ex02.rs")),
    ("ex03", include_str!("../starters/ex03.rs")),
    ("ex04", include_str!("../starters/ex04.rs")),
    ("ex05", include_str!("../starters/ex05.rs")),
];

/// The changes that begin with a program of `lessons/`; most others begin with
/// one that stands on the page, and is to be mended.
const LESSONS: [(&str, &str); 3] = [
    ("02a", "lessons/02_first.rs"),
    ("03a", "lessons/03_first.rs"),
    ("04a", "lessons/04_length_prefix.rs"),
];

/// How servers of the pages say where they listen, what takes its place, and
/// what that needs: a check runs several at once, each on a port of its own.
const ADDRESSES: [(&str, &str, &str); 2] = [
    ("\"127.0.0.1:8080\"", "address()", ADDRESS),
    ("([127, 0, 0, 1], 8080)", "([127, 0, 0, 1], port())", ""),
];

const ADDRESS: &str = "
fn address() -> &'static str {
    format!(\"127.0.0.1:{}\", port()).leak()
}
";

const PORT: &str = "
/// 8080, or what the check says with `--port`.
fn port() -> u16 {
    let mut words = std::env::args().skip_while(|word| word != \"--port\");
    words.nth(1).and_then(|word| word.parse().ok()).unwrap_or(8080)
}
";

/// What is in a server that takes any port already.
const TAKES_PORT: [&str; 3] = ["fn port()", "--port", "flags::"];

/// Makes the student's copy for a change.
///
/// # Errors
/// When there is one already, or the disk fails.
pub fn start(
    tree: &Tree,
    task: Task,
    from: Option<&Path>,
) -> Result<(), Error> {
    let file = task.file();
    if task.is_exercise() && from.is_none() {
        say(format_args!("{file} is there, and waits for you."));
        say_next(task);
        return Ok(());
    }
    let text = match from {
        Some(_) if task.is_exercise() => return Err(no_change(task)),
        Some(path) => own(task, path)?,
        None => pristine(tree, task)?,
    };
    if tree.path(&file).exists() {
        if from.is_none() {
            return Err(exists(task));
        }
        keep_and_say(tree, task)?;
    }
    tree.write(&file, &text)?;
    let title = Change::read(tree, task)?.title().to_owned();
    say(format_args!("Change {}, {title}", task.number()));
    say(format_args!("Your copy: {file}"));
    say_next(task);
    Ok(())
}

fn say_next(task: Task) {
    let name = task.name();
    let run = task.selection().join(" ");
    say(format_args!("Task:      {}", task.text()));
    say(format_args!("Run it:    cargo run -q {run}"));
    say(format_args!("Check it:  cargo course check {name}"));
    say(format_args!("           cargo course watch {name}"));
}

fn exists(task: Task) -> Error {
    let (file, name) = (task.file(), task.name());
    Error(format!(
        "{file} is there already\n        \
         `cargo course check {name}` judges it. To begin anew: cargo course \
         reset {name}."
    ))
}

fn no_change(task: Task) -> Error {
    let (file, name) = (task.file(), task.name());
    Error(format!(
        "--from makes a copy for a change, and {name} is none\n        \
         Write your server into {file}."
    ))
}

/// Says where the old one is, too: nobody should fear that it is lost.
fn keep_and_say(tree: &Tree, task: Task) -> Result<(), Error> {
    if let Some(kept) = keep(tree, task)? {
        say(format_args!("What was there is in {kept}"));
    }
    Ok(())
}

/// There is no program to check.
pub fn missing(task: Task) -> Error {
    let (file, name) = (task.file(), task.name());
    let verb = if task.is_exercise() { "reset" } else { "start" };
    Error(format!(
        "there is no {file}\n        To get it: cargo course {verb} {name}."
    ))
}

/// Puts the starter back, and keeps what was there.
///
/// # Errors
/// When the disk fails.
pub fn reset(tree: &Tree, task: Task) -> Result<(), Error> {
    let (file, text) = (task.file(), pristine(tree, task)?);
    if !is_untouched(tree, task) {
        keep_and_say(tree, task)?;
        tree.write(&file, &text)?;
        progress::change(tree, task, |mark| *mark = progress::Mark::default())?;
    }
    say(format_args!("{file} is as it was at the beginning."));
    Ok(())
}

/// Whether the student has written nothing yet.
pub fn is_untouched(tree: &Tree, task: Task) -> bool {
    let text = fs::read_to_string(tree.path(&task.file())).ok();
    let same = text.is_some() && text == pristine(tree, task).ok();
    same && others(tree, task).is_empty()
}

/// The starter of a task.
fn pristine(tree: &Tree, task: Task) -> Result<String, Error> {
    let named = |(name, _): &&(&str, &str)| *name == task.name();
    if let Some((_, text)) = STARTERS.iter().find(named) {
        return Ok((*text).to_owned());
    }
    let program = if let Some((_, file)) = LESSONS.iter().find(named) {
        Some(without_anchors(&tree.read(file)?))
    } else {
        Change::read(tree, task)?.program().map(str::to_owned)
    };
    let program = program.ok_or_else(|| {
        let text = task.text();
        Error(format!(
            "there is no program in {text}\n        \
             It belongs to the course: git restore brings it back."
        ))
    })?;
    Ok(head(task) + &with_port(&program))
}

/// The student's own server: this file, or that of the package in this folder.
fn own(task: Task, path: &Path) -> Result<String, Error> {
    let inner = path.join("src/main.rs");
    let file = if path.is_file() { path } else { &inner };
    let text = fs::read_to_string(file).map_err(|error| {
        let advice = "Name the folder of your package, such as ../my-server.";
        Error::new(format!("cannot read {}", file.display()), &error, advice)
    })?;
    let mut copy = with_port(&text);
    if copy == text && !TAKES_PORT.iter().any(|it| text.contains(it)) {
        say("Its address was not found: there is no \"127.0.0.1:8080\" in it.");
        say("Let it bind address(), which stands at the end of the copy.\n");
        copy = copy + ADDRESS + PORT;
    }
    Ok(head(task) + &copy)
}

/// The first lines of a copy.
fn head(task: Task) -> String {
    format!(
        "// Change {}: {}.\n// Run it: cargo run -q {}\n\
         // Check it: cargo course check {}\n\n",
        task.number(),
        task.ladder.title,
        task.selection().join(" "),
        task.name()
    )
}

/// A lesson's program without what is for the book alone.
fn without_anchors(text: &str) -> String {
    let lines = text.lines().filter(|line| {
        !line.trim_start().starts_with("// ANCHOR") && !line.starts_with("//!")
    });
    let lines: Vec<&str> = lines.collect();
    lines.join("\n").trim_start().to_owned() + "\n"
}

/// The program on any port, if it is one that listens on 8080 alone.
fn with_port(program: &str) -> String {
    let mut text = program.to_owned();
    for (old, new, needs) in ADDRESSES {
        if text.contains(old) {
            text = text.replace(old, new) + needs;
        }
    }
    if text == program { text } else { text + PORT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::KEPT;

    #[test]
    #[ignore = "fails for whoever has begun an exercise"]
    fn the_starters_are_those_of_the_exercises() {
        let tree = Tree::open();
        for task in crate::task::exercises() {
            let theirs = tree.read(&task.file()).unwrap();
            assert_eq!(theirs, pristine(&tree, task).unwrap());
        }
    }

    #[test]
    fn each_change_begins_with_a_program() {
        let tree = Tree::open();
        for ladder in checks::CHANGES {
            let task = Task { ladder };
            let text = pristine(&tree, task).unwrap();
            assert!(text.contains("\nfn main("), "{text}");
            assert!(!text.contains("ANCHOR"), "{text}");
            let listens = text.contains("TcpListener::bind");
            assert_eq!(listens, text.contains("fn port()"), "{text}");
            let answer = Change::read(&tree, task).unwrap();
            assert!(answer.answer().is_some_and(|it| !it.is_empty()));
        }
    }

    #[test]
    fn two_resets_in_a_second_keep_both() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::of(folder.path());
        let task: Task = "ex02".parse().unwrap();

        for text in ["one", "two"] {
            tree.write(&task.file(), text).unwrap();
            reset(&tree, task).unwrap();
        }

        let kept = fs::read_dir(tree.path(KEPT)).unwrap();
        let mut texts: Vec<_> = kept
            .map(|it| it.unwrap().path().join("main.rs"))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        texts.sort();
        assert_eq!(texts, ["one", "two"]);
    }
}
