//! Starts a server as a child process, talks to it, and makes sure that it
//! never outlives its test.
//!
//! A test that waits for something that does not come fails after
//! [`PATIENCE`], and shows what the server said.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness fails its test at the first surprise"
)]
#![allow(
    clippy::missing_panics_doc,
    reason = "each function panics when its test is to fail"
)]

pub mod contract;
pub mod peer;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(unix)]
pub use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

/// Nothing in a test waits longer than this: a hang becomes a failure.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Within this time a server is to be gone after Ctrl-C.
pub const STOP_TIME: Duration = Duration::from_secs(2);

/// A server in the background. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    stdout: Lines,
    stderr: Lines,
}

/// How a server ended, and all that it had said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// From the signal to the end of the process.
    pub took: Duration,
    /// All lines of stdout.
    pub stdout: Vec<String>,
    /// All lines of stderr.
    pub stderr: Vec<String>,
}

impl Server {
    /// Runs `program` with `args` on a free port, and returns once it has
    /// said which one.
    #[track_caller]
    #[must_use]
    pub fn start(program: impl AsRef<OsStr>, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(["--port", "0"]).args(args);
        Self::spawn(command)
    }

    /// Like [`Server::start`], with the limits that the shell's `ulimit`
    /// knows, such as `-n 24`: at most 24 open files.
    #[cfg(unix)]
    #[track_caller]
    #[must_use]
    pub fn start_limited(
        program: impl AsRef<OsStr>,
        limit: &str,
        args: &[&str],
    ) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c");
        command.arg(format!("ulimit {limit} && exec \"$0\" \"$@\""));
        command.arg(program).args(["--port", "0"]).args(args);
        Self::spawn(command)
    }

    /// Runs a command that prints `[LISTENING] ADDR:PORT`.
    #[track_caller]
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program should start");
        let stdout = Lines::of(child.stdout.take().expect("it is piped"));
        let stderr = Lines::of(child.stderr.take().expect("it is piped"));
        let address = ([127, 0, 0, 1], 0).into();
        let mut server = Self { child, address, stdout, stderr };
        let line = server.says("[LISTENING]");
        let address = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        server.address = address.expect("an address should be the second word");
        server
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port alone, as it is written on a command line.
    #[must_use]
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A connection whose reads and writes fail rather than hang.
    #[track_caller]
    #[must_use]
    pub fn connect(&self) -> TcpStream {
        peer::connect(self.address)
    }

    /// The next line of stdout that holds `what`; those before it are passed
    /// over.
    #[track_caller]
    pub fn says(&mut self, what: &str) -> String {
        match self.stdout.wait_for(what) {
            Some(line) => line,
            None => self.fail("stdout", what),
        }
    }

    /// The next line of stderr that holds `what`.
    #[track_caller]
    pub fn complains(&mut self, what: &str) -> String {
        match self.stderr.wait_for(what) {
            Some(line) => line,
            None => self.fail("stderr", what),
        }
    }

    /// The lines of stdout up to the one that was waited for last.
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.stdout.all
    }

    #[track_caller]
    fn fail(&self, stream: &str, what: &str) -> ! {
        panic!(
            "no {what:?} on {stream} within {PATIENCE:?}\nstdout: {:#?}\n\
             stderr: {:#?}",
            self.stdout.all, self.stderr.all
        )
    }

    /// Asks the server to stop as Ctrl-C does, and waits until it is gone.
    #[cfg(unix)]
    #[track_caller]
    #[must_use]
    pub fn stop(self) -> Ended {
        self.end_by(Signal::SIGINT)
    }

    /// Like [`Server::stop`], with another signal.
    #[cfg(unix)]
    #[track_caller]
    #[must_use]
    pub fn end_by(mut self, signal: Signal) -> Ended {
        let begin = Instant::now();
        self.signal(signal);
        let status = self.wait();
        let took = begin.elapsed();
        self.stdout.drain();
        self.stderr.drain();
        Ended {
            status,
            took,
            stdout: std::mem::take(&mut self.stdout.all),
            stderr: std::mem::take(&mut self.stderr.all),
        }
    }

    /// Sends the server a signal.
    #[cfg(unix)]
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        send_signal(self.id(), signal);
    }

    #[cfg(unix)]
    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            if Instant::now() > until {
                self.fail("the process", "end");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Sends a process a signal.
#[cfg(unix)]
#[track_caller]
pub fn send_signal(id: u32, signal: Signal) {
    let id = i32::try_from(id).expect("a process id");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), signal)
        .expect("the process should still run");
}

/// Stops a process as Ctrl-Z does, and lets it go on as `fg` does.
#[cfg(unix)]
pub fn suspend(id: u32) {
    for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
        send_signal(id, signal);
        // It is stopped for a while, and then runs for a while.
        thread::sleep(Duration::from_millis(50));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The last line of stdout.
    #[must_use]
    pub fn last_line(&self) -> &str {
        self.stdout.last().map_or("", String::as_str)
    }
}

/// The lines of a pipe, which is read all the time: a child must never block
/// because its pipe is full.
#[derive(Debug)]
struct Lines {
    pipe: Receiver<String>,
    all: Vec<String>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            })
            .expect("a thread to read a pipe");
        Self { pipe: receiver, all: Vec::new() }
    }

    fn wait_for(&mut self, what: &str) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.pipe.recv_timeout(left).ok()?;
            self.all.push(line.clone());
            if line.contains(what) {
                return Some(line);
            }
        }
    }

    /// Reads to the end of the pipe.
    #[cfg(unix)]
    #[track_caller]
    fn drain(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.pipe.recv_timeout(left) {
                Ok(line) => self.all.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("still running; it said {:#?}", self.all)
                }
            }
        }
    }
}

/// A port on which nobody listens, for as long as the socket is kept.
#[must_use]
pub fn port_of_nobody() -> (Socket, u16) {
    // Bound, but not listening: connections are refused.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None);
    let socket = socket.expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    let bound = socket.local_addr().expect("it is bound");
    let port = bound.as_socket().expect("it is IPv4").port();
    (socket, port)
}
