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

mod child;
mod clock;
pub mod contract;
pub mod peer;

use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, ExitStatus, Stdio};
#[cfg(unix)]
use std::thread;
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

pub use child::{Child, NoLine, Stream};
pub use clock::Deadline;
#[cfg(unix)]
pub use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

/// Nothing in a test waits longer than this: a hang becomes a failure.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Within this time a server is to be gone after Ctrl-C.
pub const STOP_TIME: Duration = Duration::from_secs(2);

/// How many bytes of lines of a server wait until its test looks at them: of
/// ten thousand clients, none is lost.
const ROOM: usize = 64 * 1024 * 1024;

/// A server in the background. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// The lines that were looked at: of stdout, and of stderr.
    heard: [Vec<String>; 2],
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
        command.stdin(Stdio::null());
        let child = Child::start(command, ROOM);
        let mut server = Self {
            child: child.expect("the program should start"),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            heard: <[Vec<String>; 2]>::default(),
        };
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
        self.wait_for(Stream::Stdout, what)
    }

    /// The next line of stderr that holds `what`.
    #[track_caller]
    pub fn complains(&mut self, what: &str) -> String {
        self.wait_for(Stream::Stderr, what)
    }

    #[track_caller]
    fn wait_for(&mut self, stream: Stream, what: &str) -> String {
        let until = Deadline::after(PATIENCE);
        loop {
            match self.child.next_line(stream, until) {
                Ok(line) => self.heard[stream as usize].push(line),
                Err(why) => self.fail(&format!("{why:?} before {what:?}")),
            }
            let last = self.heard[stream as usize].last();
            if let Some(line) = last.filter(|line| line.contains(what)) {
                return line.clone();
            }
        }
    }

    /// The lines of stdout up to the one that was waited for last.
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.heard[Stream::Stdout as usize]
    }

    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        let shown = |stream| self.child.excerpt(stream);
        let (stdout, stderr) = (shown(Stream::Stdout), shown(Stream::Stderr));
        panic!("{why}\nstdout:\n{stdout}\nstderr:\n{stderr}")
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
        let (begin, until) = (Instant::now(), Deadline::after(PATIENCE));
        self.signal(signal);
        let Some(status) = self.child.wait(until) else {
            self.fail("it still runs");
        };
        let took = begin.elapsed();
        loop {
            match self.child.next_of_either(until) {
                Ok((stream, line)) => self.heard[stream as usize].push(line),
                Err(NoLine::Ended) => break,
                Err(why) => self.fail(&format!("{why:?} after its end")),
            }
        }
        let [stdout, stderr] = self.heard;
        Ended { status, took, stdout, stderr }
    }

    /// Sends the server a signal.
    #[cfg(unix)]
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal).expect("the server should still run");
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

impl Ended {
    /// The last line of stdout.
    #[must_use]
    pub fn last_line(&self) -> &str {
        self.stdout.last().map_or("", String::as_str)
    }
}

/// A port on which nobody listens, for as long as the socket is kept.
#[must_use]
pub fn port_of_nobody() -> (Socket, u16) {
    let socket = hold_port(0).expect("a free port");
    let bound = socket.local_addr().expect("it is bound");
    let port = bound.as_socket().expect("it is IPv4").port();
    (socket, port)
}

/// Binds a port without listening on it: connections are refused, and without
/// `SO_REUSEADDR` nobody else can bind it.
///
/// # Errors
/// When somebody else has it.
pub fn hold_port(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.bind(&address.into())?;
    Ok(socket)
}
