//! What happens while somebody watches: saves, keys, Ctrl-C.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use first_socket::ctrl_c;

/// How often we look whether Ctrl-C was pressed.
const LOOK_TIME: Duration = Duration::from_millis(100);

/// An editor's save is a handful of events, all within this time.
const SETTLE_TIME: Duration = Duration::from_millis(100);

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file of the task with this name was saved.
    Saved(&'static str),
    /// The key for another check.
    Again,
    /// The key for a hint.
    Hint,
    /// The key for the end, or Ctrl-C.
    Quit,
}

/// The events, in their order.
#[derive(Debug)]
pub struct Inbox {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    /// What came while a check was running.
    waiting: RefCell<VecDeque<Event>>,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver, waiting: RefCell::default() }
    }

    /// For whoever has something to say.
    pub fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Whether something waits that makes a running check useless.
    pub fn interrupts(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        waiting.extend(self.receiver.try_iter());
        ctrl_c::stopping() || waiting.iter().any(|it| *it != Event::Hint)
    }

    /// Waits for the next event, and calls `idle` now and then.
    pub fn next(&self, idle: &dyn Fn()) -> Event {
        let event = self.wait(idle);
        if matches!(event, Event::Saved(_)) {
            thread::sleep(SETTLE_TIME);
            self.forget(event);
        }
        event
    }

    fn wait(&self, idle: &dyn Fn()) -> Event {
        loop {
            if ctrl_c::stopping() {
                return Event::Quit;
            }
            if let Some(event) = self.waiting.borrow_mut().pop_front() {
                return event;
            }
            match self.receiver.recv_timeout(LOOK_TIME) {
                Ok(event) => return event,
                Err(RecvTimeoutError::Timeout) => idle(),
                Err(RecvTimeoutError::Disconnected) => return Event::Quit,
            }
        }
    }

    /// Forgets more of the same saves: the next check sees them all.
    fn forget(&self, save: Event) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.extend(self.receiver.try_iter());
        waiting.retain(|it| *it != save);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_events_of_one_save_are_one() {
        let inbox = Inbox::new();
        let sender = inbox.sender();
        let saved = Event::Saved("ex03");
        for event in [saved, saved, Event::Hint, saved] {
            sender.send(event).unwrap();
        }

        assert!(inbox.interrupts());
        assert_eq!(inbox.next(&|| ()), saved);
        assert!(!inbox.interrupts());
        assert_eq!(inbox.next(&|| ()), Event::Hint);
    }
}
