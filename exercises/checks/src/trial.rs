//! One rung's trial of a program: what it starts is killed with it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Output as Ended, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use harness::{Child, Deadline, NoLine, Stream};

use crate::command_line::CommandLine;
use crate::finding::{Finding, quoted};
use crate::ports::without_children;

/// How long a program may take until it listens.
pub(crate) const START_TIME: Duration = Duration::from_secs(8);

/// How long a program may take to answer, or to end.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How the line begins that says where a program listens.
pub(crate) const LISTENING: &str = "[LISTENING]";

/// How often we look whether a program has ended, or printed a line.
const LOOK_TIME: Duration = Duration::from_millis(5);

/// How many bytes of lines wait to be looked at.
const ROOM: usize = 1024 * 1024;

/// At most so many of the first things that were sent are shown, and so many
/// of the last.
const SENT_FIRST: usize = 4;
const SENT_LAST: usize = 8;

/// At most so many of the first lines on stderr are shown, and so many of the
/// last; one line says how many are left out.
const STDERR_FIRST: usize = 4;
const STDERR_LAST: usize = 5;

/// What a rung works with: the program under test, all processes started of
/// it, and what was sent to them.
#[derive(Debug)]
pub struct Trial {
    program: CommandLine,
    /// What was sent, or done, and how often in a row.
    sent: Mutex<Vec<(String, usize)>>,
    processes: Mutex<Vec<Arc<Process>>>,
    over: AtomicBool,
    /// Whether the last that was heard was silence.
    silence: AtomicBool,
    /// How much longer the rung may take.
    granted: Mutex<Duration>,
}

/// A started program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Whether it has said that it listens.
    listens: AtomicBool,
    args: String,
}

/// A started program that listens.
#[derive(Clone, Debug)]
pub(crate) struct Server<'t> {
    pub(crate) trial: &'t Trial,
    pub(crate) process: Arc<Process>,
    pub(crate) address: SocketAddr,
}

impl Trial {
    /// A trial of the program with this command line.
    #[must_use]
    pub fn new(program: CommandLine) -> Self {
        Self {
            program,
            sent: Mutex::default(),
            processes: Mutex::default(),
            over: AtomicBool::new(false),
            silence: AtomicBool::new(false),
            granted: Mutex::default(),
        }
    }

    /// Gives the rung more time: it waits for something that is not the
    /// program's business.
    pub(crate) fn grant(&self, more: Duration) {
        *lock(&self.granted) += more;
    }

    /// How much more time the rung has got.
    pub(crate) fn granted(&self) -> Duration {
        *lock(&self.granted)
    }

    /// Starts the program and waits until it says where it listens.
    pub(crate) fn start(&self, args: &[&str]) -> Result<Server<'_>, Finding> {
        let process = self.spawn(args)?;
        self.await_listening(process, Deadline::after(START_TIME))
    }

    /// Starts the program.
    pub(crate) fn spawn(&self, args: &[&str]) -> Result<Arc<Process>, Finding> {
        self.spawn_as(self.program.command(args), args)
    }

    /// Starts a shell that stops itself, and becomes the program when it goes
    /// on: whoever follows the program misses nothing.
    #[cfg(target_os = "linux")]
    pub(crate) fn spawn_stopped(
        &self,
        args: &[&str],
    ) -> Result<Arc<Process>, Finding> {
        let mut shell = Command::new("sh");
        shell.args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""]);
        shell.args(self.program.with(args));
        self.spawn_as(shell, args)
    }

    fn spawn_as(
        &self,
        command: Command,
        args: &[&str],
    ) -> Result<Arc<Process>, Finding> {
        let mut processes = lock(&self.processes);
        if self.over.load(Ordering::SeqCst) {
            return Err(Finding::of_machine("the trial", &"it is over"));
        }
        let process = Arc::new(Process::start(command, args)?);
        processes.push(Arc::clone(&process));
        Ok(process)
    }

    /// Waits for the line `[LISTENING] ADDR:PORT`.
    pub(crate) fn await_listening(
        &self,
        process: Arc<Process>,
        until: Deadline,
    ) -> Result<Server<'_>, Finding> {
        loop {
            match process.next_line(Stream::Stdout, until) {
                Ok(line) if line.trim_start().starts_with(LISTENING) => {
                    let address = announced(&line)?;
                    process.listens.store(true, Ordering::SeqCst);
                    return Ok(Server { trial: self, process, address });
                }
                Ok(_) => {}
                Err(why) => return Err(process.not_listening(why)),
            }
        }
    }

    /// Runs the program to its end, and returns what it printed.
    pub(crate) fn run(&self, args: &[&str]) -> Result<Ended, Finding> {
        let process = self.spawn(args)?;
        finish(&process)
    }

    /// The same without flags, in a folder.
    pub(crate) fn run_in(&self, folder: &Path) -> Result<Ended, Finding> {
        let mut command = self.program.command(&[]);
        command.current_dir(folder);
        let process = self.spawn_as(command, &[])?;
        finish(&process)
    }

    /// Remembers what was sent, or done, for the message of a failure.
    pub(crate) fn note(&self, line: impl Into<String>) {
        let (mut sent, line) = (lock(&self.sent), line.into());
        match sent.last_mut() {
            Some((last, times)) if *last == line => *times += 1,
            _ => sent.push((line, 1)),
        }
    }

    /// What was noted, without the middle if it is much.
    pub(crate) fn notes(&self) -> Vec<String> {
        let sent = lock(&self.sent);
        let line = |(line, times): &(String, usize)| counted(line, *times);
        let mut lines: Vec<_> = sent.iter().map(line).collect();
        let left_out = lines.len().saturating_sub(SENT_FIRST + SENT_LAST);
        if left_out > 1 {
            let middle = SENT_FIRST..SENT_FIRST + left_out;
            lines.splice(middle, [format!("… ({left_out} lines left out)")]);
        }
        lines
    }

    /// What each process has to say for itself.
    pub(crate) fn reports(&self) -> Vec<String> {
        const SHOWN: usize = 3;
        let processes = lock(&self.processes);
        let from = processes.len().saturating_sub(SHOWN);
        processes[from..].iter().map(|p| p.report()).collect()
    }

    /// Remembers whether a client heard nothing up to its deadline.
    pub(crate) fn heard_silence(&self, silence: bool) {
        self.silence.store(silence, Ordering::SeqCst);
    }

    /// Whether a program that listened has ended by itself, before we let its
    /// clients go: on its connections there is no silence, but an end.
    pub(crate) fn has_lost_server(&self) -> bool {
        if self.silence.load(Ordering::SeqCst) {
            return false;
        }
        lock(&self.processes).iter().any(|process| {
            process.listens.load(Ordering::SeqCst) && process.has_ended_itself()
        })
    }

    /// Kills whatever was started so far, and forgets it.
    pub(crate) fn forget(&self) {
        for process in lock(&self.processes).drain(..) {
            process.kill();
        }
    }

    /// Kills whatever was started, and lets nothing more be.
    pub fn end(&self) {
        let processes = lock(&self.processes);
        self.over.store(true, Ordering::SeqCst);
        for process in processes.iter() {
            process.kill();
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.end();
    }
}

impl Process {
    fn start(mut command: Command, args: &[&str]) -> Result<Self, Finding> {
        command.stdin(Stdio::null());
        command.env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
        command.env_remove("RUST_BACKTRACE");
        let child = without_children(|| Child::start(command, ROOM));
        let child = child.map_err(|error| not_started(&error))?;
        let listens = AtomicBool::new(false);
        Ok(Self { child, listens, args: args.join(" ") })
    }

    /// Whether it has said that it listens.
    #[cfg(target_os = "linux")]
    pub(crate) fn has_announced(&self) -> bool {
        let announced = |line: &str| line.trim_start().starts_with(LISTENING);
        let now = Deadline::after(Duration::ZERO);
        self.will_have(Stream::Stdout, announced, now)
    }

    /// The lines that were printed by now, and not looked at.
    pub(crate) fn lines_so_far(&self) -> impl Iterator<Item = String> {
        std::iter::from_fn(|| {
            let now = Deadline::after(Duration::ZERO);
            self.next_line(Stream::Stdout, now).ok()
        })
    }

    fn report(&self) -> String {
        let state = match self.status() {
            None => "was still running".to_owned(),
            Some(status) => format!("had ended: {status}"),
        };
        let args = &self.args;
        let stderr = shortened(&self.excerpt(Stream::Stderr));
        let stderr = if stderr.is_empty() {
            "stderr: (nothing)".to_owned()
        } else {
            format!("stderr:\n{}", stderr.join("\n"))
        };
        format!("[{args}] {state}; {stderr}")
    }

    fn not_listening(&self, why: NoLine) -> Finding {
        let (came, means) = match why {
            NoLine::Flood => (
                "over 1 MiB of lines before the program listens".to_owned(),
                "the program prints in an endless loop.",
            ),
            NoLine::Ended => match self.wait(Deadline::after(LOOK_TIME * 20)) {
                Some(status) => (
                    format!("the program ended: {status}"),
                    "the program gave up, or panicked: its words are below.",
                ),
                None => (
                    "the program closed its stdout".to_owned(),
                    "something took stdout away from the program.",
                ),
            },
            NoLine::Silence => self.not_announced(),
        };
        let expected = "a line on stdout: [LISTENING] ADDR:PORT";
        Finding::new(came, expected, means)
    }

    /// What came of a program that runs, and why that is no line.
    fn not_announced(&self) -> (String, &'static str) {
        let begun = self.begun(Stream::Stdout);
        if begun.starts_with(LISTENING.as_bytes()) {
            return (
                format!("{} without a line end", quoted(&begun)),
                "print! instead of println!: a pipe gets the text only when \
                 the line ends.",
            );
        }
        if self.excerpt(Stream::Stderr).contains(LISTENING) {
            return (
                "the line stands on stderr, not on stdout".to_owned(),
                "eprintln! writes to stderr, println! to stdout.",
            );
        }
        (
            format!("no such line in {START_TIME:?}"),
            "the program waits for something else first, or does not say that \
             it listens: events::listening does. print! without a line end is \
             not enough: the text stays in the program.",
        )
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

/// The lines of what a program said on stderr: each once, with how often it
/// came, and of many the first and the last.
fn shortened(stderr: &str) -> Vec<String> {
    let mut lines: Vec<(String, usize)> = Vec::new();
    // What to do for a backtrace helps nobody here.
    let noise = |line: &&str| !line.contains("RUST_BACKTRACE");
    for line in stderr.trim().lines().filter(noise).map(without_thread) {
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, times)) => *times += 1,
            None => lines.push((line, 1)),
        }
    }
    let counted = |(line, times): &(String, usize)| counted(line, *times);
    let mut lines: Vec<_> = lines.iter().map(counted).collect();
    if lines.len() > STDERR_FIRST + STDERR_LAST + 1 {
        let middle = STDERR_FIRST..lines.len() - STDERR_LAST;
        let left_out = format!("… ({} lines left out)", middle.len());
        lines.splice(middle, [left_out]);
    }
    lines
}

/// A line of a panic without the thread's number, which is never the same:
/// `thread '<unnamed>' (4711) panicked at …`.
fn without_thread(line: &str) -> String {
    let parts = line.split_once("' (").zip(line.split_once(") panicked"));
    match parts {
        Some(((thread, _), (_, place))) if thread.starts_with("thread '") => {
            format!("{thread}' panicked{place}")
        }
        _ => line.to_owned(),
    }
}

/// `line`, or `line, 3 times`.
fn counted(line: &str, times: usize) -> String {
    match times {
        1 => line.to_owned(),
        _ => format!("{line}, {times} times"),
    }
}

fn not_started(error: &io::Error) -> Finding {
    let what = "the program could not be started";
    let none = [ErrorKind::NotFound, ErrorKind::PermissionDenied];
    if !none.contains(&error.kind()) {
        return Finding::of_machine(what, error);
    }
    Finding::new(
        format!("{what}: {error}"),
        "a program that can be run",
        "the command is misspelt, or names a file that is no program.",
    )
}

/// The address in a line `[LISTENING] ADDR:PORT …`, as one can connect to it.
fn announced(line: &str) -> Result<SocketAddr, Finding> {
    let word = line.split_whitespace().nth(1).unwrap_or_default();
    let word = word.trim_end_matches([',', '.', ';', ')']);
    let mut address: SocketAddr = word.parse().map_err(|_| {
        Finding::new(
            format!("{line:?}"),
            "[LISTENING] ADDR:PORT, with numbers, such as 127.0.0.1:8080",
            "the address does not stand alone behind the tag, or was put \
             together by hand. TcpListener::local_addr returns the one that \
             is really bound; events::listening prints it.",
        )
    })?;
    if address.port() == 0 {
        return Err(Finding::new(
            format!("{line:?}"),
            "[LISTENING] with the port that is really bound",
            "the program prints the port that was asked for. With port 0 the \
             system picks one: TcpListener::local_addr returns it.",
        ));
    }
    if address.ip().is_unspecified() {
        let any: std::net::IpAddr = if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        address.set_ip(any);
    }
    Ok(address)
}

/// Waits for the end of a process; returns what it printed.
fn finish(process: &Process) -> Result<Ended, Finding> {
    let until = Deadline::after(ANSWER_TIME);
    let status = loop {
        if let Some(status) = process.wait(Deadline::after(LOOK_TIME)) {
            break status;
        }
        let line = announced_so_far(process);
        if line.is_some() || until.is_over() {
            // It may end just after it has said so.
            match process.wait(Deadline::after(LOOK_TIME * 20)) {
                Some(status) => break status,
                None => return Err(still_running(line)),
            }
        }
    };
    // Whatever it started itself may keep the pipes open.
    process.kill();
    process.wait_for_end(until);
    let text = |stream| process.excerpt(stream).into_bytes();
    let (stdout, stderr) = (text(Stream::Stdout), text(Stream::Stderr));
    Ok(Ended { status, stdout, stderr })
}

fn announced_so_far(process: &Process) -> Option<String> {
    process.lines_so_far().find(|line| line.trim_start().starts_with(LISTENING))
}

fn still_running(announced: Option<String>) -> Finding {
    let (came, means) = match announced {
        Some(line) => (
            format!("it printed {line:?}, and runs"),
            "the program took a port, where there was none left to take.",
        ),
        None => (
            format!("it still runs after {ANSWER_TIME:?}"),
            "the program waits, or tries again for ever, where it should give \
             up.",
        ),
    };
    Finding::new(came, "the program ends by itself", means)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_line_on_stderr_that_comes_again_is_counted() {
        let panic = |number| {
            format!("thread '<unnamed>' ({number}) panicked at m.rs:1:2:\nno\n")
        };
        let stderr = format!("begun\n{}{}", panic(7), panic(8));

        let lines = shortened(&stderr);

        let panicked = "thread '<unnamed>' panicked at m.rs:1:2:, 2 times";
        assert_eq!(lines, ["begun", panicked, "no, 2 times"]);
    }

    #[test]
    fn of_many_lines_on_stderr_ten_are_shown() {
        let lines: Vec<_> = (1..=30).map(|n| format!("line {n}")).collect();

        let lines = shortened(&lines.join("\n"));

        assert_eq!(lines.len(), 10);
        assert_eq!(lines[4], "… (21 lines left out)");
        assert_eq!(lines.last().map(String::as_str), Some("line 30"));
    }
}
