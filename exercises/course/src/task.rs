//! What there is to do: five exercises, and the changes inside the chapters
//! that a program can judge.

use std::str::FromStr;

use checks::Exercise;

/// The chapters: number, title, and the name of the page.
pub const LESSONS: [(&str, &str, &str); 5] = [
    ("01", "Bind and listen", "01_bind_listen"),
    ("02", "Accept, send, close", "02_accept_send_close"),
    ("03", "Threads", "03_threads"),
    ("04", "Messages", "04_length_prefix"),
    ("05", "Files", "05_file_transfer"),
];

/// Where the copies for changes are.
const COPIES: &str = "exercises/changes/src/bin";

/// An exercise, or a change.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Its name, its title and its rungs.
    pub ladder: &'static Exercise,
}

impl Task {
    /// All tasks of a chapter: the changes, then the exercise.
    pub fn of_lesson(number: &str) -> Vec<Self> {
        all().filter(|task| task.lesson().0 == number).collect()
    }

    /// `ex03`, or `04c`.
    pub fn name(self) -> &'static str {
        self.ladder.name
    }

    /// How many rungs there are.
    pub fn rungs(self) -> usize {
        self.ladder.rungs.len()
    }

    /// Whether it is an exercise, and no change.
    pub fn is_exercise(self) -> bool {
        self.name().starts_with("ex")
    }

    /// Its chapter: an entry of [`LESSONS`].
    pub fn lesson(self) -> (&'static str, &'static str, &'static str) {
        let name = self.name();
        let number = name.strip_prefix("ex").unwrap_or(name);
        let here = |lesson: &&(&str, _, _)| number.starts_with(lesson.0);
        *LESSONS.iter().find(here).unwrap_or(&LESSONS[0])
    }

    /// The page of its chapter.
    pub fn page(self) -> String {
        format!("book/src/{}.md", self.lesson().2)
    }

    /// `04.3` for `04c`.
    pub fn number(self) -> String {
        let letter = self.name().bytes().last().unwrap_or(b'a');
        format!("{}.{}", self.lesson().0, letter.wrapping_sub(b'a' - 1))
    }

    /// Where the task is told.
    pub fn text(self) -> String {
        if self.is_exercise() {
            return format!("exercises/{}/README.md", self.ladder.folder);
        }
        format!("{}, Change {}", self.page(), self.number())
    }

    /// The folder in which the student writes.
    pub fn folder(self) -> String {
        if self.is_exercise() {
            return format!("exercises/{}/src", self.ladder.folder);
        }
        COPIES.to_owned()
    }

    /// Whether a file with this name, in its folder, belongs to it.
    pub fn owns(self, name: &str) -> bool {
        // The copies for all changes lie in the same folder.
        self.is_exercise() || self.file().ends_with(&format!("/{name}"))
    }

    /// The file with which the student begins.
    pub fn file(self) -> String {
        let name = if self.is_exercise() { "main" } else { self.ladder.name };
        format!("{}/{name}.rs", self.folder())
    }

    /// How cargo is told to build, or to run, this program.
    pub fn selection(self) -> Vec<&'static str> {
        if self.is_exercise() {
            return vec!["-p", self.name()];
        }
        vec!["-p", "changes", "--bin", self.name()]
    }
}

/// All tasks: the changes, then the exercises.
fn all() -> impl Iterator<Item = Task> {
    let ladders = checks::CHANGES.iter().chain(&checks::ALL);
    ladders.map(|ladder| Task { ladder })
}

/// All tasks in the order of the chapters.
pub fn in_order() -> impl Iterator<Item = Task> {
    LESSONS.iter().flat_map(|lesson| Task::of_lesson(lesson.0))
}

/// All exercises, in their order.
pub fn exercises() -> impl Iterator<Item = Task> {
    checks::ALL.iter().map(|ladder| Task { ladder })
}

/// Takes `04.3` for `04c`.
impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let asked = |task: &Task| {
            task.name().eq_ignore_ascii_case(text)
                || !task.is_exercise() && task.number() == text
        };
        all().find(asked).ok_or_else(|| {
            let names: Vec<_> = all().map(Task::name).collect();
            format!("there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_the_number_of_its_page() {
        let task: Task = "04.3".parse().unwrap();
        assert_eq!((task.name(), task.number()), ("04c", "04.3".to_owned()));
        assert_eq!(task.page(), "book/src/04_length_prefix.md");
        assert_eq!(task.file(), "exercises/changes/src/bin/04c.rs");
    }

    #[test]
    fn each_lesson_has_a_change_and_an_exercise() {
        for (number, _, _) in LESSONS {
            let tasks = Task::of_lesson(number);
            assert!(tasks.len() >= 2, "{number}");
            assert!(tasks[tasks.len() - 1].is_exercise());
        }
    }

    #[test]
    fn an_unknown_task_is_answered_with_all_names() {
        let error = "ex3".parse::<Task>().unwrap_err();
        assert!(error.contains("04c, "), "{error}");
        assert!(error.contains("ex03"), "{error}");
    }
}
