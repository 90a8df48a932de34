//! Processes: what the grader starts, and the end of all that they start.
//!
//! On Linux the grader adopts whatever its children leave behind (see
//! `PR_SET_CHILD_SUBREAPER(2const)`), so nothing escapes by leaving its
//! process group or its parent. Elsewhere only the process group is ended.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use first_socket::ctrl_c;

/// How often we look whether a process has ended.
const LOOK_TIME: Duration = Duration::from_millis(10);

/// How often the processes and threads below a child are counted; and at once
/// when the whole system has this many more.
const COUNT_TIME: Duration = Duration::from_millis(500);
const MANY_MORE: usize = 200;

/// How long the end of killed processes is waited for. Some cannot die at
/// once: those that wait for a disk.
const DEATH_TIME: Duration = Duration::from_secs(5);

/// How many processes may be below one child.
pub const MOST_PROCESSES: usize = 500;

/// How many threads may be below one child. A check runs a program up to a
/// hundred times, and some answers have a hundred threads.
pub const MOST_THREADS: usize = 5000;

/// How long a pipe of a process that is gone is still read.
pub const PIPE_TIME: Duration = Duration::from_secs(2);

/// The variables that a child gets; all others stay here. Nobody's token is
/// for a student's program.
const VARIABLES: [&str; 16] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    // Where cargo and rustup live.
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    // Without these nothing runs on Windows.
    "SystemRoot",
    "windir",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "ProgramFiles",
    "ProgramFiles(x86)",
    "ProgramData",
];

/// How a child's time ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself.
    Itself(ExitStatus),
    /// The time was over.
    TimedOut,
    /// It, and what it had started, became too many.
    TooMany,
    /// Ctrl-C.
    Stopped,
}

/// All children of this process that are known. Whatever else is below it was
/// left behind by a student's program.
#[derive(Debug)]
pub struct Household {
    known: Mutex<HashSet<u32>>,
}

impl Household {
    /// Prepares this process to adopt what its children leave behind.
    #[must_use]
    pub fn new() -> Self {
        adopt_orphans();
        // A shell that became this program may have left us children.
        let known = system::children().into_iter().collect();
        Self { known: Mutex::new(known) }
    }

    /// Starts a child, which leads a session of its own: see [`lead`].
    ///
    /// # Errors
    /// When the system has no process for it.
    pub fn start(&self, command: &mut Command) -> io::Result<Child> {
        // The lock is held: nobody may take the new child for an orphan.
        let mut known = lock(&self.known);
        let child = command.spawn()?;
        known.insert(child.id());
        Ok(child)
    }

    /// Waits for the end of a child, and ends it if it takes too long. Nothing
    /// that it started is left afterwards.
    pub fn wait(&self, child: &mut Child, limit: Duration) -> Ended {
        let begin = Instant::now();
        let mut census = Census::default();
        let ended = loop {
            if let Ok(Some(status)) = child.try_wait() {
                break Ended::Itself(status);
            }
            if ctrl_c::stopping() {
                break Ended::Stopped;
            }
            if begin.elapsed() >= limit {
                break Ended::TimedOut;
            }
            if census.is_due() && too_many(system::count_below(child.id())) {
                break Ended::TooMany;
            }
            thread::sleep(LOOK_TIME);
        };
        self.end(child, matches!(ended, Ended::Itself(_)));
        ended
    }

    fn end(&self, child: &mut Child, over: bool) {
        if !over {
            // First those that start others all the time.
            system::kill_below(child.id());
            // Not later: the number may then belong to somebody else.
            system::kill_group(child.id());
            let _ = child.kill();
            let _ = child.wait();
        }
        let mut known = lock(&self.known);
        known.remove(&child.id());
        end_orphans(&known);
    }
}

impl Default for Household {
    fn default() -> Self {
        Self::new()
    }
}

/// Says when it is time to count. Counting takes a while, and a program needs
/// only a moment for a thousand threads.
#[derive(Default)]
struct Census {
    last: Option<(Instant, usize)>,
}

impl Census {
    fn is_due(&mut self) -> bool {
        let tasks = system::tasks();
        let due = self.last.is_none_or(|(time, before)| {
            time.elapsed() >= COUNT_TIME || tasks > before + MANY_MORE
        });
        if due {
            self.last = Some((Instant::now(), tasks));
        }
        due
    }
}

fn too_many((processes, threads): (usize, usize)) -> bool {
    processes > MOST_PROCESSES || threads > MOST_THREADS
}

/// Ends everything below this process.
pub fn end_all() {
    end_orphans(&HashSet::new());
}

/// Ends everything below this process, except the children in `known` and
/// what is below them.
fn end_orphans(known: &HashSet<u32>) {
    let until = Instant::now() + DEATH_TIME;
    // Again and again: what is not dead yet may start more.
    while system::kill_below_us(known) && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
}

/// This program, for a child that does a part of its work.
#[must_use]
pub fn ourselves() -> Command {
    // A file that was replaced, as cargo does, still runs by this name.
    if cfg!(target_os = "linux") {
        return Command::new("/proc/self/exe");
    }
    let path = std::env::current_exe();
    Command::new(path.unwrap_or_else(|_| "grader".into()))
}

/// Takes all but a few variables from a child.
pub fn clean(command: &mut Command) -> &mut Command {
    let kept = VARIABLES
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let kept: Vec<(_, OsString)> = kept.collect();
    command.env_clear().envs(kept)
}

/// Reads a pipe to its end, on a thread; `keep` bytes of it are kept.
///
/// # Errors
/// When the system has no thread for it.
pub fn drain(
    mut pipe: impl Read + Send + 'static,
    keep: u64,
) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, received) = mpsc::channel();
    Builder::new().spawn(move || {
        let mut kept = Vec::new();
        let _ = pipe.by_ref().take(keep).read_to_end(&mut kept);
        // A writer whose pipe is full would wait for us.
        let _ = io::copy(&mut pipe, &mut io::sink());
        let _ = sender.send(kept);
    })?;
    Ok(received)
}

/// What [`drain`] has kept, once the writer is gone.
#[must_use]
pub fn drained(received: &Receiver<Vec<u8>>) -> Vec<u8> {
    received.recv_timeout(PIPE_TIME).unwrap_or_default()
}

/// Limits this process and all that it will start: the bytes of memory that
/// each may use, and the size of the files that it may write. Also all
/// processes of this user together, which has no effect on root.
///
/// # Errors
/// When the system does not allow it.
pub fn limit(memory: u64, file: u64) -> io::Result<()> {
    // When memory runs out, Linux ends these first (proc_pid_oom_score_adj(5)).
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    // Only if counting is too late: others of this user may need some, too.
    system::limit(memory, file, system::tasks() + 2 * MOST_THREADS)
}

/// Has this process adopt what its children leave behind.
pub fn adopt_orphans() {
    system::adopt_orphans();
}

/// Makes this process the leader of a session, and so of a process group.
///
/// The group can be killed, and Ctrl-C in the terminal does not reach it. On
/// Linux each session gets its share of the processors, so the grader has
/// time to count and to kill however many processes a program starts
/// (`sched(7)`, "The autogroup feature").
pub fn lead() {
    system::lead();
}

/// Closes this process to others of the same user: nobody writes to its pipes
/// or looks into its memory. Root may.
pub fn close_up() {
    system::close_up();
}

/// Has this process killed when the one that started it dies.
pub fn die_with_parent() {
    system::die_with_parent();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
mod unix {
    use std::io;

    #[cfg(target_os = "linux")]
    use nix::sys::resource::getrlimit;
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::{Pid, setsid};

    pub fn lead() {
        // It fails when it leads one already.
        let _ = setsid();
    }

    pub fn kill_group(id: u32) {
        if let Ok(id) = i32::try_from(id) {
            // It fails when all are gone, which is as good.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }

    pub fn limit(memory: u64, file: u64, tasks: usize) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            let (_, most) = getrlimit(Resource::RLIMIT_NPROC)?;
            let tasks = most.min(tasks as u64);
            setrlimit(Resource::RLIMIT_NPROC, tasks, tasks)?;
        }
        #[cfg(not(target_os = "linux"))]
        let _ = tasks;
        // Not RLIMIT_AS: address space that is only reserved costs nothing,
        // and a program with many threads reserves a lot.
        setrlimit(Resource::RLIMIT_DATA, memory, memory)?;
        setrlimit(Resource::RLIMIT_FSIZE, file, file)?;
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::HashSet;
    use std::fs;

    use nix::sys::prctl;
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{WaitPidFlag, waitpid};
    use nix::unistd::{Pid, getpgrp};

    pub use super::unix::{kill_group, lead, limit};

    /// A process, as `/proc/PID/stat` shows it (`proc_pid_stat(5)`).
    struct Process {
        id: u32,
        parent: u32,
        group: u32,
        threads: usize,
    }

    pub fn adopt_orphans() {
        // Linux has it since 3.4; without it only groups are ended.
        let _ = prctl::set_child_subreaper(true);
    }

    pub fn close_up() {
        let _ = prctl::set_dumpable(false);
    }

    pub fn die_with_parent() {
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    }

    pub fn children() -> Vec<u32> {
        let us = std::process::id();
        let ours = all().into_iter().filter(|process| process.parent == us);
        ours.map(|process| process.id).collect()
    }

    /// How many processes, and how many threads, are below a process.
    pub fn count_below(id: u32) -> (usize, usize) {
        let below = below(id, &HashSet::new());
        let threads = below.iter().map(|process| process.threads).sum();
        (below.len(), threads)
    }

    /// All processes and threads of the system: the number after the slash
    /// (`proc_loadavg(5)`).
    pub fn tasks() -> usize {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let tasks = load.split(['/', ' ']).nth(4);
        tasks.and_then(|tasks| tasks.parse().ok()).unwrap_or(0)
    }

    pub fn kill_below(id: u32) {
        kill_all(&below(id, &HashSet::new()));
    }

    /// Kills what is below us and not known; whether there was anything.
    pub fn kill_below_us(known: &HashSet<u32>) -> bool {
        let below = below(std::process::id(), known);
        kill_all(&below);
        for process in &below {
            // A dead process keeps its number until its parent has asked for
            // its end. Its parent are we, at the latest next time.
            let _ = waitpid(pid(process.id), Some(WaitPidFlag::WNOHANG));
        }
        !below.is_empty()
    }

    fn kill_all(processes: &[Process]) {
        // A whole group dies at once, with those that were started meanwhile.
        let ours = getpgrp();
        let groups: HashSet<u32> = processes.iter().map(|p| p.group).collect();
        for group in groups {
            if pid(group) != ours {
                kill_group(group);
            }
        }
        for process in processes {
            let _ = kill(pid(process.id), Signal::SIGKILL);
        }
    }

    /// Linux's numbers are below 2^22 (`proc_sys_kernel(5)`).
    fn pid(id: u32) -> Pid {
        Pid::from_raw(id.cast_signed())
    }

    /// All processes below `root`, without those in `except` and below them.
    fn below(root: u32, except: &HashSet<u32>) -> Vec<Process> {
        let (mut found, mut rest) = (Vec::new(), all());
        let mut parents = HashSet::from([root]);
        while !parents.is_empty() {
            let (next, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|process| {
                    parents.contains(&process.parent)
                        && !except.contains(&process.id)
                });
            parents = next.iter().map(|process| process.id).collect();
            found.extend(next);
            rest = others;
        }
        found
    }

    fn all() -> Vec<Process> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let ids = entries.flatten().filter_map(|entry| {
            entry.file_name().to_str().and_then(|name| name.parse().ok())
        });
        ids.filter_map(read).collect()
    }

    fn read(id: u32) -> Option<Process> {
        let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
        // The name, in brackets, may hold anything, brackets too.
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = str::from_utf8(&stat[name_end + 1..]).ok()?;
        // Fields are counted from 1 in the manual; here the third is first.
        let mut fields = rest.split_ascii_whitespace();
        let parent = fields.nth(4 - 3)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let threads = fields.nth(20 - 6)?.parse().ok()?;
        Some(Process { id, parent, group, threads })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::collections::HashSet;

    #[cfg(unix)]
    pub use super::unix::{kill_group, lead, limit};

    #[cfg(not(unix))]
    pub fn lead() {}

    #[cfg(not(unix))]
    pub fn kill_group(_id: u32) {}

    #[cfg(not(unix))]
    #[allow(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub fn limit(
        _memory: u64,
        _file: u64,
        _tasks: usize,
    ) -> std::io::Result<()> {
        Ok(())
    }

    pub fn adopt_orphans() {}

    pub fn close_up() {}

    pub fn die_with_parent() {}

    pub fn children() -> Vec<u32> {
        Vec::new()
    }

    pub fn tasks() -> usize {
        0
    }

    pub fn count_below(_id: u32) -> (usize, usize) {
        (0, 0)
    }

    pub fn kill_below(_id: u32) {}

    pub fn kill_below_us(_known: &HashSet<u32>) -> bool {
        false
    }
}
