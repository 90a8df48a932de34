//! What a program prints: read all the time, for a program must never block
//! because its pipe is full; kept only up to a limit, for it may never end.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use crate::clock::Deadline;

/// How many bytes of lines wait to be looked at; what comes then is lost.
const QUEUE: usize = 1024 * 1024;

/// A line is cut after this many bytes.
const LINE: usize = 4 * 1024;

/// How many bytes of the beginning, and of the end, are shown in a message.
const EXCERPT: usize = 800;

/// One pipe of a program.
#[derive(Debug, Default)]
pub(crate) struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    queued: usize,
    /// The line that has no end yet.
    begun: Vec<u8>,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: usize,
    lost: bool,
    ended: bool,
}

/// Why there is no further line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoLine {
    /// The time is over.
    Silence,
    /// The program closed its output, usually because it ended.
    Ended,
    /// So much was printed that some of it is lost.
    Flood,
}

impl Output {
    /// Reads `pipe` to its end, on a thread.
    pub(crate) fn of(
        pipe: impl Read + Send + 'static,
    ) -> std::io::Result<Arc<Self>> {
        let output = Arc::new(Self::default());
        let reader = Arc::clone(&output);
        Builder::new().spawn(move || reader.read(pipe))?;
        Ok(output)
    }

    fn read(&self, mut pipe: impl Read) {
        let mut chunk = [0; 8 * 1024];
        loop {
            let count = match pipe.read(&mut chunk) {
                Err(error)
                    if error.kind() == std::io::ErrorKind::Interrupted =>
                {
                    continue;
                }
                ended => ended.unwrap_or(0),
            };
            let mut state = self.lock();
            if count == 0 {
                state.ended = true;
            }
            state.take(&chunk[..count]);
            self.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next line; it is looked at once.
    pub(crate) fn next_line(&self, until: Deadline) -> Result<String, NoLine> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.queued -= line.len();
                return Ok(line);
            }
            if state.lost {
                return Err(NoLine::Flood);
            }
            if state.ended {
                return Err(NoLine::Ended);
            }
            let Some(left) = until.left() else {
                return Err(NoLine::Silence);
            };
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next line that has come already.
    pub(crate) fn line_so_far(&self) -> Option<String> {
        self.next_line(Deadline::after(Duration::ZERO)).ok()
    }

    /// Waits until a line that nobody has looked at is as asked for, and leaves
    /// it there.
    pub(crate) fn will_have(
        &self,
        as_asked: impl Fn(&str) -> bool,
        until: Deadline,
    ) -> bool {
        let mut state = self.lock();
        loop {
            if state.lines.iter().any(|line| as_asked(line)) {
                return true;
            }
            let Some(left) = until.left().filter(|_| !state.ended) else {
                return false;
            };
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the pipe has ended.
    pub(crate) fn wait_for_end(&self, until: Deadline) {
        let mut state = self.lock();
        while !state.ended {
            let Some(left) = until.left() else {
                return;
            };
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What was printed after the last line end.
    pub(crate) fn begun(&self) -> Vec<u8> {
        self.lock().begun.clone()
    }

    /// The beginning and the end of all that was printed.
    pub(crate) fn excerpt(&self) -> String {
        let state = self.lock();
        let mut bytes = state.head.clone();
        let left_out = state.total - state.head.len() - state.tail.len();
        if left_out > 0 {
            let _ = write!(bytes, "\n… ({left_out} bytes left out)\n");
        }
        bytes.extend(&state.tail);
        let text = String::from_utf8_lossy(&bytes);
        // No program plays with the terminal of whoever reads this.
        text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
    }
}

impl State {
    fn take(&mut self, bytes: &[u8]) {
        self.total += bytes.len();
        let room = EXCERPT - self.head.len();
        let (head, tail) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(tail);
        let over = self.tail.len().saturating_sub(EXCERPT);
        self.tail.drain(..over);

        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE.saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.begun);
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        self.begun.clear();
        if self.queued + line.len() > QUEUE {
            self.lost = true;
        } else {
            self.queued += line.len();
            self.lines.push_back(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    #[test]
    fn lines_come_in_order_and_then_the_end() {
        let output = Output::of(&b"one\r\ntwo\nthr"[..]).unwrap();

        assert_eq!(output.next_line(soon()).as_deref(), Ok("one"));
        assert_eq!(output.next_line(soon()).as_deref(), Ok("two"));
        assert_eq!(output.next_line(soon()), Err(NoLine::Ended));
        assert_eq!(output.begun(), b"thr");
    }

    #[test]
    fn a_flood_is_cut_and_its_size_known() {
        let flood = std::io::repeat(b'x').take(10 * 1024 * 1024);
        let output = Output::of(flood).unwrap();

        output.wait_for_end(soon());

        assert!(output.excerpt().contains("bytes left out"));
        assert!(output.excerpt().len() < 2 * EXCERPT + 100);
        assert!(output.begun().len() <= LINE);
    }

    #[test]
    fn too_many_lines_are_a_flood() {
        let lines = "0123456789\n".repeat(200_000).into_bytes();
        let output = Output::of(std::io::Cursor::new(lines)).unwrap();
        output.wait_for_end(soon());

        let last = loop {
            if let Err(last) = output.next_line(soon()) {
                break last;
            }
        };

        assert_eq!(last, NoLine::Flood);
    }
}
