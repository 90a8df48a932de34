//! A child program: started in a process group of its own, read all the time,
//! and killed together with all that it has started.
//!
//! Threads read what it prints, for a program must never block because its
//! pipe is full; only a part of that is kept, for it may never end.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use process_wrap::std::{ChildWrapper, CommandWrap};

#[cfg(unix)]
use crate::Signal;
use crate::clock::Deadline;

/// How many bytes of the beginning, and of the end, are shown in a message.
const EXCERPT: usize = 800;

/// A line is cut when it takes this part of the room for all lines.
const LINES: usize = 256;

/// How often we look whether a child has ended.
const LOOK_TIME: Duration = Duration::from_millis(5);

/// A running program. Dropping it kills it and its process group.
#[derive(Debug)]
pub struct Child {
    process: Mutex<Box<dyn ChildWrapper>>,
    killed: AtomicBool,
    output: Arc<Output>,
    /// What is typed, if the command has a pipe there. `None` ends it.
    pub stdin: Option<ChildStdin>,
}

/// One of a child's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// What it has to say.
    Stdout,
    /// What it has to say about itself.
    Stderr,
}

/// Why there is no further line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLine {
    /// The time is over.
    Silence,
    /// The program closed its output, usually because it ended.
    Ended,
    /// So much was printed that some of it is lost.
    Flood,
}

/// What both outputs have brought.
#[derive(Debug, Default)]
struct Output {
    pipes: Mutex<[Pipe; 2]>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pipe {
    /// The lines that nobody has looked at, and when they came.
    lines: VecDeque<(Instant, String)>,
    queued: usize,
    /// The line that has no end yet.
    begun: Vec<u8>,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: usize,
    lost: bool,
    ended: bool,
}

impl Child {
    /// Starts a program. `room` is how many bytes of lines of each output wait
    /// to be looked at: what comes then is lost.
    ///
    /// # Errors
    /// When the system cannot start it, or has no thread to read it.
    pub fn start(mut command: Command, room: usize) -> io::Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = CommandWrap::from(command);
        #[cfg(unix)]
        command.wrap(process_wrap::std::ProcessGroup::leader());
        #[cfg(windows)]
        command.wrap(process_wrap::std::JobObject);
        let mut process = command.spawn()?;
        let pipes = (process.stdout().take(), process.stderr().take());
        let child = Self {
            stdin: process.stdin().take(),
            process: Mutex::new(process),
            killed: AtomicBool::new(false),
            output: Arc::default(),
        };
        if let (Some(stdout), Some(stderr)) = pipes {
            child.read(Stream::Stdout, stdout, room)?;
            child.read(Stream::Stderr, stderr, room)?;
        }
        Ok(child)
    }

    fn read(
        &self,
        stream: Stream,
        pipe: impl Read + Send + 'static,
        room: usize,
    ) -> io::Result<()> {
        let output = Arc::clone(&self.output);
        let read = move || output.read(stream, pipe, room);
        thread::Builder::new().spawn(read).map(drop)
    }

    /// The number that the system has given it; its group has the same.
    #[must_use]
    pub fn id(&self) -> u32 {
        lock(&self.process).id()
    }

    /// The next line of an output; it is looked at once.
    ///
    /// # Errors
    /// When there is none.
    pub fn next_line(
        &self,
        stream: Stream,
        until: Deadline,
    ) -> Result<String, NoLine> {
        let next = |pipes: &mut [Pipe; 2]| pipes[stream as usize].next();
        self.output.wait(until, next).unwrap_or(Err(NoLine::Silence))
    }

    /// The next line of either output, as they came. The last one need not
    /// have an end.
    ///
    /// # Errors
    /// When there is none.
    pub fn next_of_either(
        &self,
        until: Deadline,
    ) -> Result<(Stream, String), NoLine> {
        let next = self.output.wait(until, next_of_either);
        next.unwrap_or(Err(NoLine::Silence))
    }

    /// Waits until a line that nobody has looked at is as asked for, and leaves
    /// it there.
    pub fn will_have(
        &self,
        stream: Stream,
        as_asked: impl Fn(&str) -> bool,
        until: Deadline,
    ) -> bool {
        let look = |pipes: &mut [Pipe; 2]| {
            let pipe = &pipes[stream as usize];
            let found = pipe.lines.iter().any(|(_, line)| as_asked(line));
            (found || pipe.ended).then_some(found)
        };
        self.output.wait(until, look).unwrap_or(false)
    }

    /// Waits until both outputs have ended.
    pub fn wait_for_end(&self, until: Deadline) {
        let ended = |pipes: &mut [Pipe; 2]| {
            pipes.iter().all(|pipe| pipe.ended).then_some(())
        };
        self.output.wait(until, ended);
    }

    /// What was printed after the last line end.
    #[must_use]
    pub fn begun(&self, stream: Stream) -> Vec<u8> {
        lock(&self.output.pipes)[stream as usize].begun.clone()
    }

    /// The beginning and the end of all that was printed.
    #[must_use]
    pub fn excerpt(&self, stream: Stream) -> String {
        lock(&self.output.pipes)[stream as usize].excerpt()
    }

    /// Its exit status, if it has ended.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        // Not the group's: where the orphans of the group become our children
        // (the grader is a subreaper), it loses the status.
        lock(&self.process).inner_mut().try_wait().ok().flatten()
    }

    /// Waits for its end.
    #[must_use]
    pub fn wait(&self, until: Deadline) -> Option<ExitStatus> {
        loop {
            let status = self.status();
            if status.is_some() || until.is_over() {
                return status;
            }
            thread::sleep(LOOK_TIME);
        }
    }

    /// Whether it has ended, and nobody has killed it.
    #[must_use]
    pub fn has_ended_itself(&self) -> bool {
        !self.killed.load(Ordering::SeqCst) && self.status().is_some()
    }

    /// Sends it, and the processes of its group, a signal.
    ///
    /// # Errors
    /// When nobody is left.
    #[cfg(unix)]
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        lock(&self.process).signal(signal as i32)
    }

    /// Kills it and the processes of its group.
    pub fn kill(&self) {
        let mut process = lock(&self.process);
        // Once: later the number may belong to somebody else.
        if self.killed.swap(true, Ordering::SeqCst) {
            return;
        }
        let _ = process.start_kill();
        let _ = process.inner_mut().wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    fn read(&self, stream: Stream, mut pipe: impl Read, room: usize) {
        let mut chunk = [0; 8 * 1024];
        loop {
            let count = match pipe.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    continue;
                }
                ended => ended.unwrap_or(0),
            };
            let pipe = &mut lock(&self.pipes)[stream as usize];
            pipe.take(&chunk[..count], room);
            pipe.ended = count == 0;
            self.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    }

    /// Waits until `look` finds what it looks for; `None` when the time is
    /// over.
    fn wait<T>(
        &self,
        until: Deadline,
        look: impl Fn(&mut [Pipe; 2]) -> Option<T>,
    ) -> Option<T> {
        let mut pipes = lock(&self.pipes);
        loop {
            let found = look(&mut pipes);
            if found.is_some() {
                return found;
            }
            let waited = self.changed.wait_timeout(pipes, until.left()?);
            pipes = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn next_of_either(
    pipes: &mut [Pipe; 2],
) -> Option<Result<(Stream, String), NoLine>> {
    let both = [Stream::Stdout, Stream::Stderr];
    let came = |stream| Some((pipes[stream as usize].lines.front()?.0, stream));
    if let Some((_, first)) = both.into_iter().filter_map(came).min() {
        let next = pipes[first as usize].next()?;
        return Some(next.map(|line| (first, line)));
    }
    if pipes.iter().any(|pipe| pipe.lost) {
        return Some(Err(NoLine::Flood));
    }
    if !pipes.iter().all(|pipe| pipe.ended) {
        return None;
    }
    let rest = both.into_iter().find_map(|stream| {
        let pipe = &mut pipes[stream as usize];
        (!pipe.begun.is_empty()).then(|| (stream, pipe.take_begun()))
    });
    Some(rest.ok_or(NoLine::Ended))
}

impl Pipe {
    fn next(&mut self) -> Option<Result<String, NoLine>> {
        if let Some((_, line)) = self.lines.pop_front() {
            self.queued -= line.len() + 1;
            return Some(Ok(line));
        }
        if self.lost {
            return Some(Err(NoLine::Flood));
        }
        self.ended.then_some(Err(NoLine::Ended))
    }

    fn take(&mut self, bytes: &[u8], room: usize) {
        self.total += bytes.len();
        let (head, tail) =
            bytes.split_at(bytes.len().min(EXCERPT - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(tail);
        let over = self.tail.len().saturating_sub(EXCERPT);
        self.tail.drain(..over);

        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let left = (room / LINES).saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&piece[..piece.len().min(left)]);
            if piece.ends_with(b"\n") {
                let line = self.take_begun();
                self.queue(line, room);
            }
        }
    }

    fn take_begun(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.begun);
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        self.begun.clear();
        line
    }

    fn queue(&mut self, line: String, room: usize) {
        // A line without a byte needs room, too.
        let size = line.len() + 1;
        if self.queued + size > room {
            self.lost = true;
        } else {
            self.queued += size;
            self.lines.push_back((Instant::now(), line));
        }
    }

    fn excerpt(&self) -> String {
        let mut bytes = self.head.clone();
        let left_out = self.total - self.head.len() - self.tail.len();
        if left_out > 0 {
            let _ = write!(bytes, "\n… ({left_out} bytes left out)\n");
        }
        bytes.extend(&self.tail);
        let text = String::from_utf8_lossy(&bytes);
        // No program plays with the terminal of whoever reads this.
        text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 1024 * 1024;

    #[cfg(unix)]
    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    /// What a child is to us that has printed this and ended.
    fn printed(stdout: impl Read) -> Pipe {
        let output = Output::default();
        output.read(Stream::Stdout, stdout, ROOM);
        let [pipe, _] = output.pipes.into_inner().unwrap();
        pipe
    }

    #[test]
    fn lines_come_in_order_and_then_the_end() {
        let mut pipe = printed(&b"one\r\ntwo\nthr"[..]);

        assert_eq!(pipe.next(), Some(Ok("one".to_owned())));
        assert_eq!(pipe.next(), Some(Ok("two".to_owned())));
        assert_eq!(pipe.next(), Some(Err(NoLine::Ended)));
        assert_eq!(pipe.begun, b"thr");
    }

    #[test]
    fn a_flood_is_cut_and_its_size_known() {
        let pipe = printed(io::repeat(b'x').take(10 * 1024 * 1024));

        assert!(pipe.excerpt().contains("bytes left out"));
        assert!(pipe.excerpt().len() < 2 * EXCERPT + 100);
        assert!(pipe.begun.len() <= ROOM / LINES);
    }

    #[test]
    fn too_many_lines_are_a_flood() {
        let lines = ["0123456789\n", "\n"].map(|line| line.repeat(ROOM + 1));
        for lines in lines {
            let mut pipe = printed(lines.as_bytes());

            while pipe.next().is_some_and(|next| next.is_ok()) {}

            assert_eq!(pipe.next(), Some(Err(NoLine::Flood)));
        }
    }

    #[cfg(unix)]
    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped());
        Child::start(command, ROOM).unwrap()
    }

    #[cfg(unix)]
    #[test]
    fn lines_of_both_outputs_come_in_their_order_and_the_last_needs_no_end() {
        let mut child = shell("read a; echo $a; read b; echo $b >&2; printf c");
        let mut heard = Vec::new();
        for word in ["a", "b"] {
            writeln!(child.stdin.as_mut().unwrap(), "{word}").unwrap();
            heard.push(child.next_of_either(soon()).unwrap());
        }
        heard.push(child.next_of_either(soon()).unwrap());

        let heard: Vec<_> = heard.iter().map(|(s, l)| (*s, &**l)).collect();
        let (out, err) = (Stream::Stdout, Stream::Stderr);
        assert_eq!(heard, [(out, "a"), (err, "b"), (out, "c")]);
        assert_eq!(child.next_of_either(soon()), Err(NoLine::Ended));
        assert_eq!(child.wait(soon()).and_then(|s| s.code()), Some(0));
        assert!(child.has_ended_itself());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_child_has_started_is_killed_with_it() {
        let child = shell("sleep 1000 & echo started; exit 3");
        assert_eq!(child.next_line(Stream::Stdout, soon()).unwrap(), "started");
        assert_eq!(child.wait(soon()).and_then(|s| s.code()), Some(3));

        child.kill();

        // The sleeper has had the pipe, too.
        let next = child.next_line(Stream::Stdout, soon());
        assert_eq!(next, Err(NoLine::Ended));
    }

    #[cfg(unix)]
    #[test]
    fn a_signal_reaches_the_whole_group() {
        let child = shell("sleep 1000 & echo started; wait");
        assert_eq!(child.next_line(Stream::Stdout, soon()).unwrap(), "started");

        child.signal(Signal::SIGTERM).unwrap();

        assert!(child.wait(soon()).is_some());
        let next = child.next_line(Stream::Stdout, soon());
        assert_eq!(next, Err(NoLine::Ended));
    }
}
