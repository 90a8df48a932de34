//! `cargo course watch`: builds and checks at every save.

use std::io::{self, IsTerminal};

use first_socket::ctrl_c;
use first_socket::errors::Error;
use first_socket::events::remark;

use crate::help;
use crate::inbox::{Event, Inbox};
use crate::judge::{Verdict, build_and_climb};
use crate::keys::{Keys, LEGEND};
use crate::progress::Progress;
use crate::saves;
use crate::screen::{clear, say};
use crate::starter;
use crate::task::Task;
use crate::tree::Tree;

/// Watches one exercise after the other, until `q` or Ctrl-C.
///
/// # Errors
/// When there is nothing to watch.
pub fn watch(tree: &Tree, task: Option<Task>, poll: bool) -> Result<(), Error> {
    let Some(task) = task.or(Progress::read(tree)?.next_exercise()) else {
        say("All exercises are done. `cargo course watch ex03` looks again.");
        return Ok(());
    };
    if !tree.path(&task.file()).exists() {
        return Err(starter::missing(task));
    }
    ctrl_c::catch(None, |_| ())?;
    let inbox = Inbox::new();
    let _keys = Keys::listen(inbox.sender());
    let mut watched = Watched { tree, task, poll, inbox: &inbox };
    watched.look()?;
    while let Some(next) = watched.climb_to_the_top()? {
        watched.task = next;
        watched.introduce();
    }
    Ok(())
}

/// What is watched.
#[derive(Debug)]
struct Watched<'w> {
    tree: &'w Tree,
    task: Task,
    poll: bool,
    inbox: &'w Inbox,
}

impl Watched<'_> {
    /// Checks again and again; returns the next exercise when all rungs of
    /// this one are climbed, and `None` when it is time to go.
    fn climb_to_the_top(&self) -> Result<Option<Task>, Error> {
        let folder = self.tree.path(&self.task.folder());
        let sender = self.inbox.sender();
        let _saves = saves::watch(&folder, self.poll, &sender)?;
        loop {
            let verdict = match self.inbox.next() {
                Event::Quit => return Ok(None),
                Event::Hint => {
                    self.hint();
                    continue;
                }
                Event::Saved | Event::Again => self.run(),
            };
            if verdict == Verdict::Done {
                let progress = Progress::read(self.tree)?;
                let next = progress.next_after(self.task);
                if next.is_none() {
                    say("All exercises are done.");
                }
                return Ok(next);
            }
        }
    }

    /// The first check need not wait for a save.
    fn look(&self) -> Result<(), Error> {
        let again = self.inbox.sender().send(Event::Again);
        again.map_err(|_| Error("nothing can be watched".to_owned()))
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

    fn hint(&self) {
        say("");
        if let Err(error) = help::hint(self.tree, self.task) {
            remark("ERROR", error.0);
        }
        self.legend();
    }

    fn introduce(&self) {
        let task = self.task;
        let (name, title) = (task.name(), task.ladder.title);
        let (number, lesson, _) = task.lesson();
        say(format_args!("Next: {name}, {title}. Its task: {}", task.text()));
        let page = task.page();
        say(format_args!("It goes with lesson {number}, {lesson}: {page}"));
        self.legend();
    }

    fn legend(&self) {
        let folder = self.task.folder();
        say(format_args!("\nWaiting for a save in {folder}"));
        if io::stdin().is_terminal() {
            say(LEGEND);
        }
    }
}
