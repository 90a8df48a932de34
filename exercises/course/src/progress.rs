//! What is done: a small file, which outlives `cargo clean`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;

use first_socket::errors::Error;
use first_socket::events::remark;

use crate::task::{Task, exercises, in_order};
use crate::tree::{Tree, failed};

/// Where it is.
const FILE: &str = ".course/progress";

/// Where a broken one is put, so that nothing is lost.
const BROKEN: &str = ".course/progress.broken";

/// Where the next one is written, until it is complete.
const NEXT: &str = ".course/progress.next";

const HEAD: &str = "# Made by `cargo course`: task, rungs climbed, hints \
                    given.\n";

/// What is remembered of one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The most rungs that were climbed at once.
    pub climbed: usize,
    /// How many hints were given.
    pub hints: usize,
}

/// What is remembered of all tasks.
#[derive(Debug, Default)]
pub struct Progress {
    marks: BTreeMap<String, Mark>,
}

impl Progress {
    /// Reads the file. A broken one is reported, and put aside.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read(tree: &Tree) -> Result<Self, Error> {
        let text = match fs::read(tree.path(FILE)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                let what = format!("cannot read {FILE}");
                let advice = "Remove it, and progress begins anew.";
                return Err(Error::new(what, &error, advice));
            }
        };
        let marks = text.lines().filter(|line| !line.starts_with('#'));
        if let Some(marks) = marks.map(parsed).collect() {
            return Ok(Self { marks });
        }
        fs::rename(tree.path(FILE), tree.path(BROKEN))
            .map_err(|error| failed(BROKEN, &error))?;
        let text = format!(
            "{FILE} is broken, so progress begins anew\n        \
             What was in it is now in {BROKEN}."
        );
        remark("ERROR", text);
        Ok(Self::default())
    }

    /// What is remembered of a task.
    pub fn of(&self, task: Task) -> Mark {
        self.marks.get(task.name()).copied().unwrap_or_default()
    }

    /// Whether all rungs were climbed.
    pub fn is_done(&self, task: Task) -> bool {
        self.of(task).climbed >= task.rungs()
    }

    /// The exercise to go on with: the first that is not done from the last
    /// chapter on in which something is, or else one that was passed over.
    pub fn next_exercise(&self) -> Option<Task> {
        let done = in_order().filter(|it| self.is_done(*it)).last();
        let further = |it: &Task| {
            done.is_none_or(|done| it.lesson().0 >= done.lesson().0)
        };
        let left = || exercises().filter(|it| !self.is_done(*it));
        left().find(further).or(left().next())
    }

    fn write(&self, tree: &Tree) -> Result<(), Error> {
        let mut text = HEAD.to_owned();
        for (name, mark) in &self.marks {
            let _ = writeln!(text, "{name} {} {}", mark.climbed, mark.hints);
        }
        tree.write(NEXT, &text)?;
        // All at once: nobody reads half of it.
        fs::rename(tree.path(NEXT), tree.path(FILE))
            .map_err(|error| failed(FILE, &error))
    }
}

/// Changes what is remembered of a task, and returns that.
///
/// # Errors
/// When the disk fails.
pub fn change(
    tree: &Tree,
    task: Task,
    change: impl FnOnce(&mut Mark),
) -> Result<Mark, Error> {
    // Read anew: a watcher in another terminal may have written meanwhile.
    let mut progress = Progress::read(tree)?;
    let mark = progress.marks.entry(task.name().to_owned()).or_default();
    let before = *mark;
    change(mark);
    let after = *mark;
    if after != before {
        progress.write(tree)?;
    }
    Ok(after)
}

/// A line: `ex03 6 1`.
fn parsed(line: &str) -> Option<(String, Mark)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [name, climbed, hints] = words[..] else { return None };
    let (climbed, hints) = (climbed.parse().ok()?, hints.parse().ok()?);
    Some((name.to_owned(), Mark { climbed, hints }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ex03() -> Task {
        "ex03".parse().unwrap()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::of(folder.path());

        change(&tree, ex03(), |mark| mark.climbed = 6).unwrap();
        change(&tree, ex03(), |mark| mark.hints += 1).unwrap();

        let progress = Progress::read(&tree).unwrap();
        assert_eq!(progress.of(ex03()), Mark { climbed: 6, hints: 1 });
        assert!(!progress.is_done(ex03()));
        assert_eq!(progress.next_exercise().unwrap().name(), "ex01");
    }

    #[test]
    fn a_broken_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::of(folder.path());
        tree.write(FILE, "ex03 six 0\n").unwrap();

        let progress = Progress::read(&tree).unwrap();

        assert_eq!(progress.of(ex03()), Mark::default());
        assert_eq!(tree.read(BROKEN).unwrap(), "ex03 six 0\n");
        assert!(!tree.path(FILE).exists());
    }
}
