//! Says when a file was saved.

use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::Duration;

use first_socket::errors::Error;
use first_socket::events::remark;
use notify::{
    Config, EventHandler, EventKind, PollWatcher, RecommendedWatcher,
    RecursiveMode, Watcher,
};

use crate::inbox::Event;
use crate::task::Task;
use crate::tree::Tree;

/// How often files are looked at where the system does not speak up.
const POLL_TIME: Duration = Duration::from_millis(500);

/// Watches a folder for as long as it is kept.
pub type Watching = Box<dyn Watcher>;

/// Sends [`Event::Saved`] whenever a file of the task changes. With `poll`, or
/// where the system cannot say so, the files are looked at again and again.
///
/// # Errors
/// When the folder cannot even be looked at.
pub fn watch(
    tree: &Tree,
    task: Task,
    poll: bool,
    sender: &Sender<Event>,
) -> Result<Watching, Error> {
    let folder = tree.path(&task.folder());
    let polled = || polled(&folder, teller(task, sender.clone()));
    let watching = if poll {
        polled()
    } else {
        or_else(told(&folder, teller(task, sender.clone())), polled)
    };
    watching.map_err(|error| {
        Error(format!(
            "cannot watch {}: {error}\n        \
             Is it there, and may you read it?",
            folder.display()
        ))
    })
}

/// Looks at the files if the system does not report saves, and says so.
fn or_else(
    told: notify::Result<Watching>,
    polled: impl FnOnce() -> notify::Result<Watching>,
) -> notify::Result<Watching> {
    told.or_else(|error| {
        let text = format!(
            "the system does not report saves: {error}\n        \
             The files are looked at twice a second instead."
        );
        remark("ERROR", text);
        polled()
    })
}

fn told(folder: &Path, teller: impl EventHandler) -> notify::Result<Watching> {
    let mut watcher = RecommendedWatcher::new(teller, Config::default())?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(Box::new(watcher))
}

fn polled(
    folder: &Path,
    teller: impl EventHandler,
) -> notify::Result<Watching> {
    let config = Config::default().with_poll_interval(POLL_TIME);
    // It counts times in whole seconds, and somebody may save twice in one.
    let config = config.with_compare_contents(true);
    let mut watcher = PollWatcher::new(teller, config)?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(Box::new(watcher))
}

fn teller(task: Task, sender: Sender<Event>) -> impl EventHandler {
    move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| is_save(&event, task)) {
            // Nobody listens any longer when the watch is over.
            let _ = sender.send(Event::Saved(task.name()));
        }
    }
}

/// Whether a program may have changed: a compiler that reads a file has not
/// changed it, and editors put files of their own beside it.
fn is_save(event: &notify::Event, task: Task) -> bool {
    let read = matches!(event.kind, EventKind::Access(_));
    // Without a path: too much happened at once to be told.
    let mut paths = event.paths.iter();
    let source = event.paths.is_empty() || paths.any(|it| is_source(it, task));
    !read && source
}

fn is_source(path: &Path, task: Task) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".rs") && !name.starts_with('.') && task.owns(&name)
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind};

    use super::*;

    fn ex02() -> Task {
        "ex02".parse().unwrap()
    }

    fn event(kind: EventKind, name: &str) -> notify::Event {
        notify::Event::new(kind).add_path(format!("src/{name}").into())
    }

    #[test]
    fn what_editors_put_beside_a_file_is_no_save() {
        let created = EventKind::Create(CreateKind::File);
        assert!(is_save(&event(created, "main.rs"), ex02()));
        for name in [".main.rs.swp", ".#main.rs", "#main.rs#", "main.rs~"] {
            assert!(!is_save(&event(created, name), ex02()), "{name}");
        }
    }

    #[test]
    fn another_changes_copy_is_no_save() {
        let task = "04c".parse().unwrap();
        let created = EventKind::Create(CreateKind::File);
        assert!(is_save(&event(created, "04c.rs"), task));
        assert!(!is_save(&event(created, "05b.rs"), task));
    }

    #[test]
    fn where_the_system_does_not_report_saves_files_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main.rs");
        std::fs::write(&file, "fn main() {}").unwrap();
        let (sender, saves) = std::sync::mpsc::channel();
        let full = Err(notify::Error::generic("no watch is left"));
        let polled = || polled(folder.path(), teller(ex02(), sender));
        let _watching = or_else(full, polled).unwrap();

        std::fs::write(&file, "fn main() { println!() }").unwrap();

        let save = saves.recv_timeout(20 * POLL_TIME);
        assert_eq!(save, Ok(Event::Saved("ex02")));
    }

    #[test]
    fn a_compiler_that_reads_is_no_save() {
        let read = EventKind::Access(AccessKind::Any);
        assert!(!is_save(&event(read, "main.rs"), ex02()));
    }
}
