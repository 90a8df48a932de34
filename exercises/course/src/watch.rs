//! `cargo course watch`: builds and checks at every save.

use std::io::{self, IsTerminal};

use first_socket::ctrl_c;
use first_socket::errors::Error;
use first_socket::events::remark;

use crate::help;
use crate::inbox::{Event, Inbox};
use crate::judge::{Verdict, build_and_climb};
use crate::keys::{Keys, LEGEND};
use crate::overview;
use crate::progress::Progress;
use crate::saves::{self, Watching};
use crate::screen::{clear, say};
use crate::starter;
use crate::task::Task;
use crate::tree::Tree;

/// Watches one exercise after the other, until `q` or Ctrl-C.
///
/// # Errors
/// When there is nothing to watch.
pub fn watch(tree: &Tree, task: Option<Task>, poll: bool) -> Result<(), Error> {
    let task = overview::meant(tree, task)?;
    if !tree.path(&task.file()).exists() {
        return Err(starter::missing(task));
    }
    ctrl_c::catch(None, |_| ())?;
    let inbox = Inbox::new();
    let _keys = Keys::listen(inbox.sender());
    let heard = Vec::new();
    let mut watched = Watched { tree, task, heard, poll, inbox: &inbox };
    watched.hear(&[task])?;
    let mut verdict = watched.run();
    while verdict != Verdict::Done || watched.go_on()? {
        verdict = match inbox.next(&Keys::need_no_enter) {
            Event::Quit => break,
            Event::Hint => watched.hint(),
            Event::Again => watched.run(),
            Event::Saved(name) => {
                watched.turn_to(name);
                watched.run()
            }
        };
    }
    Ok(())
}

/// What is watched.
struct Watched<'w> {
    tree: &'w Tree,
    /// What is checked.
    task: Task,
    /// Whose saves are heard: behind the first stands what was solved before.
    heard: Vec<(Task, Watching)>,
    poll: bool,
    inbox: &'w Inbox,
}

impl Watched<'_> {
    fn hear(&mut self, tasks: &[Task]) -> Result<(), Error> {
        let sender = self.inbox.sender();
        let hear = |task: &Task| {
            let saves = saves::watch(self.tree, *task, self.poll, &sender)?;
            Ok((*task, saves))
        };
        self.heard = tasks.iter().map(hear).collect::<Result<_, Error>>()?;
        Ok(())
    }

    /// Checks from now on what was saved. Whoever has saved the next task is
    /// through with the old one.
    fn turn_to(&mut self, name: &str) {
        let saved = |(task, _): &(Task, _)| task.name() == name;
        if let Some(at) = self.heard.iter().position(saved) {
            self.task = self.heard[at].0;
            if at == 0 {
                self.heard.truncate(1);
            }
        }
    }

    /// Goes on to the next exercise, if there is one.
    fn go_on(&mut self) -> Result<bool, Error> {
        let next = Progress::read(self.tree)?.next_exercise();
        overview::say_next(self.tree, next)?;
        let Some(next) = next else { return Ok(false) };
        self.hear(&[next, self.task])?;
        self.task = next;
        self.legend();
        Ok(true)
    }

    fn run(&self) -> Verdict {
        clear();
        let given_up = || self.inbox.interrupts();
        let verdict = build_and_climb(self.tree, self.task, &given_up);
        // An error is no reason to go: the next save may mend it.
        let verdict = verdict.unwrap_or_else(|error| {
            remark("ERROR", error.0);
            Verdict::NotYet
        });
        if verdict == Verdict::NotYet {
            self.legend();
        }
        verdict
    }

    fn hint(&self) -> Verdict {
        say("");
        if let Err(error) = help::hint(self.tree, self.task, "press h") {
            remark("ERROR", error.0);
        }
        self.legend();
        Verdict::NotYet
    }

    fn legend(&self) {
        let folders = self.heard.iter().map(|(task, _)| task.folder());
        let folders = folders.collect::<Vec<_>>().join(", or in ");
        say(format_args!("\nWaiting for a save in {folders}"));
        if io::stdin().is_terminal() {
            say(LEGEND);
        }
    }
}
