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

/// How often files are looked at where the system does not speak up.
const POLL_TIME: Duration = Duration::from_millis(500);

/// Watches a folder for as long as it is kept.
pub type Watching = Box<dyn Watcher>;

/// Sends [`Event::Saved`] whenever something in `folder` changes. With `poll`,
/// or where the system cannot say so, the files are looked at again and again.
///
/// # Errors
/// When the folder cannot even be looked at.
pub fn watch(
    folder: &Path,
    poll: bool,
    sender: &Sender<Event>,
) -> Result<Watching, Error> {
    if !poll {
        match told(folder, teller(sender.clone())) {
            Ok(watching) => return Ok(watching),
            Err(error) => remark(
                "ERROR",
                format_args!(
                    "the system does not report saves: {error}\n        \
                     The files are looked at twice a second instead."
                ),
            ),
        }
    }
    polled(folder, teller(sender.clone())).map_err(|error| {
        Error(format!(
            "cannot watch {}: {error}\n        \
             Is it there, and may you read it?",
            folder.display()
        ))
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
    let mut watcher = PollWatcher::new(teller, config)?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(Box::new(watcher))
}

fn teller(sender: Sender<Event>) -> impl EventHandler {
    move |event: notify::Result<notify::Event>| {
        // A compiler that reads a file has not changed it.
        let read = |it: &notify::Event| matches!(it.kind, EventKind::Access(_));
        if !event.as_ref().is_ok_and(read) {
            // Nobody listens any longer when the watch is over.
            let _ = sender.send(Event::Saved);
        }
    }
}
