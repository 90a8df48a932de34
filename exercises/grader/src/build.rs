//! Builds a submission's exercises with cargo, one submission at a time, all
//! in the same target folder.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::Builder;
use std::time::Duration;

use checks::Exercise;
use first_socket::ctrl_c;
use first_socket::errors::Error;
use serde::Deserialize;

use crate::process::{self, Ended, Household};
use crate::tree::{Work, checkout};
use crate::verdict::{BROKE_DOWN, Verdict, plain};

/// The hidden flag with which the grader limits itself and becomes cargo.
pub const FLAG: &str = "--become-cargo";

/// How much memory the compiler may use, and the linker.
#[cfg(unix)]
const MEMORY: u64 = 4 * 1024 * 1024 * 1024;

/// The largest file that the compiler may write.
#[cfg(unix)]
const FILE: u64 = 1024 * 1024 * 1024;

/// How long the dependencies may take: they are ours, and only once.
const FIRST_BUILD_TIME: Duration = Duration::from_secs(20 * 60);

/// How much of what cargo says itself is kept.
const WORDS: u64 = 64 * 1024;

/// What cargo says when the fault is the program's.
const COULD_NOT: &str = "could not compile";

/// A longer line of cargo's messages is dropped.
const LINE: usize = 4 * 1024 * 1024;

/// Builds in one folder, under limits.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'b> {
    /// Where.
    pub work: &'b Work,
    /// Whose children the compilers are.
    pub household: &'b Household,
    /// Ends all.
    /// How long one submission may take.
    pub limit: Duration,
}

/// For each exercise, by its name: the program, or why there is none.
pub type Built = HashMap<&'static str, Result<PathBuf, Verdict>>;

/// What came of one run of cargo.
struct Run {
    ended: Ended,
    messages: Messages,
    words: String,
}

/// What cargo's messages say about each program.
#[derive(Default)]
struct Messages {
    programs: HashMap<String, PathBuf>,
    errors: HashMap<String, String>,
}

impl Bench<'_> {
    /// Compiles the dependencies, if that is still to be done.
    ///
    /// # Errors
    /// When they do not compile: then no submission would. Or at Ctrl-C.
    pub fn prepare(&self) -> Result<(), Error> {
        let failure = |error: &io::Error| {
            let what = "cannot build the exercises' dependencies";
            let advice = "Try: cargo build --workspace. The first build needs \
                          the network.";
            Error::new(what, error, advice)
        };
        let built = || {
            let run = self.cargo(&checks::ALL, FIRST_BUILD_TIME);
            let run = run.map_err(|error| failure(&error))?;
            if run.messages.programs.len() == checks::ALL.len() {
                return Ok(());
            }
            Err(failure(&io::Error::other(plain(run.words.trim_end()))))
        };
        built().or_else(|_| {
            if ctrl_c::stopping() {
                let what = "nothing is graded";
                let advice = "Start again; what is compiled stays.";
                let why = io::Error::other("Ctrl-C");
                return Err(Error::new(what, &why, advice));
            }
            // Perhaps they were never fetched. All variables are kept here:
            // some networks have a proxy.
            let mut fetch = Command::new(cargo_program());
            fetch.args(["fetch", "--locked", "--manifest-path"]);
            let _ = fetch.arg(self.work.tree().join("Cargo.toml")).status();
            built()
        })
    }

    /// Builds what lies in the tree of these exercises, and moves the programs
    /// into `to`.
    ///
    /// # Errors
    /// When the machine fails.
    pub fn build(
        &self,
        exercises: &[&'static Exercise],
        to: &Path,
    ) -> io::Result<Built> {
        fs::create_dir_all(to)?;
        let run = self.cargo(exercises, self.limit)?;
        let late = |exercise: &&Exercise| run.is_late(exercise);
        if exercises.iter().filter(|e| late(e)).count() < 2 {
            return self.results(exercises, &run, to);
        }
        // One of them may have kept the others from being built.
        let (late, rest): (Vec<_>, Vec<_>) =
            exercises.iter().partition(|e| late(e));
        let mut results = self.results(&rest, &run, to)?;
        for exercise in late {
            let run = self.cargo(&[exercise], self.limit)?;
            results.extend(self.results(&[exercise], &run, to)?);
        }
        Ok(results)
    }

    fn results(
        &self,
        exercises: &[&'static Exercise],
        run: &Run,
        to: &Path,
    ) -> io::Result<Built> {
        let mut results = Built::new();
        for exercise in exercises {
            let built = match run.messages.programs.get(exercise.name) {
                Some(built) => {
                    let program =
                        to.join(built.file_name().unwrap_or_default());
                    // Not a copy: a file that somebody still has open for
                    // writing cannot be run.
                    fs::rename(built, &program)?;
                    Ok(program)
                }
                None => Err(run.verdict(exercise, self.limit)),
            };
            results.insert(exercise.name, built);
        }
        // No trace of this submission is left for the next one.
        self.forget()?;
        Ok(results)
    }

    /// Removes what cargo has built of the exercises. It would compare times,
    /// and might take one student's program for another's.
    fn forget(&self) -> io::Result<()> {
        let debug = self.work.target().join("debug");
        for folder in [debug.join("deps"), debug.join(".fingerprint"), debug] {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                // `ex03`, `ex03.exe`, `ex03-5d41402abc4b2a76.d`; and
                // `libex03.rlib`, if somebody has a src/lib.rs.
                let stem = name.split(['-', '.']).next();
                let stem = stem.map(|it| it.strip_prefix("lib").unwrap_or(it));
                if !checks::ALL.iter().any(|e| stem == Some(e.name)) {
                    continue;
                }
                if entry.file_type()?.is_dir() {
                    fs::remove_dir_all(entry.path())?;
                } else {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    fn cargo(
        &self,
        exercises: &[&'static Exercise],
        limit: Duration,
    ) -> io::Result<Run> {
        self.forget()?;
        let mut command = self.command(exercises);
        let mut child = self.household.start(&mut command)?;
        let heard = listen(&mut child);
        let ended = self.household.wait(&mut child, limit);
        let (messages, words) = heard?;
        let messages = messages.recv_timeout(process::PIPE_TIME);
        let words = process::drained(&words);
        Ok(Run {
            ended,
            messages: messages.unwrap_or_default(),
            words: String::from_utf8_lossy(&words).into_owned(),
        })
    }

    fn command(&self, exercises: &[&'static Exercise]) -> Command {
        let mut command = if cfg!(unix) {
            let mut command = process::ourselves();
            command.arg(FLAG).arg(cargo_program());
            command
        } else {
            Command::new(cargo_program())
        };
        process::clean(&mut command);
        // Nobody debugs these, and without they link faster.
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        command.env("CARGO_INCREMENTAL", "0").env("CARGO_TERM_COLOR", "never");
        command.args(["build", "--offline", "--locked", "--keep-going"]);
        command.arg("--message-format=json");
        command.arg("--manifest-path").arg(self.work.tree().join("Cargo.toml"));
        command.arg("--target-dir").arg(self.work.target());
        for exercise in exercises {
            command.args(["-p", exercise.name]);
        }
        // The checkout's toolchain and configuration hold here as well.
        command.current_dir(checkout());
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Run {
    fn is_late(&self, exercise: &Exercise) -> bool {
        matches!(self.ended, Ended::TimedOut)
            && !self.messages.programs.contains_key(exercise.name)
            && !self.messages.errors.contains_key(exercise.name)
    }

    /// Why there is no program.
    fn verdict(&self, exercise: &Exercise, limit: Duration) -> Verdict {
        if let Some(error) = self.messages.errors.get(exercise.name) {
            return Verdict::DoesNotCompile(plain(error));
        }
        let words = self.words.trim_end();
        match self.ended {
            Ended::TimedOut => Verdict::TimedOut {
                climbed: 0,
                message: format!("the build had no end in {limit:?}"),
            },
            Ended::Stopped => Verdict::NotJudged("Ctrl-C".to_owned()),
            // The compiler itself was killed, or found no memory.
            _ if words.contains(COULD_NOT) => {
                let text = format!("{BROKE_DOWN}:\n{words}");
                Verdict::DoesNotCompile(plain(&text))
            }
            _ => Verdict::NotJudged(plain(words)),
        }
    }
}

type Heard = (Receiver<Messages>, Receiver<Vec<u8>>);

fn listen(child: &mut Child) -> io::Result<Heard> {
    let (Some(stdout), Some(stderr)) =
        (child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("no pipe"));
    };
    let (sender, messages) = mpsc::channel();
    Builder::new().spawn(move || {
        let _ = sender.send(Messages::read(BufReader::new(stdout)));
    })?;
    Ok((messages, process::drain(stderr, WORDS)?))
}

/// A line of `cargo build --message-format=json`, as far as we need it:
/// <https://doc.rust-lang.org/cargo/reference/external-tools.html>.
#[derive(Deserialize)]
struct Line {
    target: Target,
    message: Option<Message>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    rendered: Option<String>,
}

impl Messages {
    fn read(mut pipe: impl BufRead) -> Self {
        let mut messages = Self::default();
        while let Some(line) = next_line(&mut pipe) {
            if let Ok(line) = serde_json::from_slice(&line) {
                messages.take(line);
            }
        }
        messages
    }

    fn take(&mut self, line: Line) {
        let name = line.target.name;
        if let Some(program) = line.executable {
            self.programs.insert(name, program);
        } else if let Some(message) = line.message
            && message.level.starts_with("error")
        {
            let text = message.rendered.unwrap_or_default();
            self.errors.entry(name).or_insert(text);
        }
    }
}

/// The next line, cut if it is too long; `None` at the end.
fn next_line(pipe: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let limit = LINE as u64;
    let count = pipe.by_ref().take(limit).read_until(b'\n', &mut line).ok()?;
    if count == LINE && !line.ends_with(b"\n") {
        pipe.skip_until(b'\n').ok()?;
    }
    (count > 0).then_some(line)
}

/// Cargo says to what it runs which cargo it is.
fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Limits this process and becomes the program that `words` name.
#[cfg(unix)]
#[must_use]
pub fn become_cargo(words: &[OsString]) -> io::Error {
    use std::os::unix::process::CommandExt;

    let Some((program, args)) = words.split_first() else {
        return io::Error::other("no program");
    };
    process::lead();
    process::die_with_parent();
    match process::limit(MEMORY, FILE) {
        Ok(()) => Command::new(program).args(args).exec(),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &str = r#"{"reason":"compiler-message",
        "target":{"name":"ex01"},
        "message":{"level":"error","rendered":"error: one"}}"#;

    fn read(lines: &[&str]) -> Messages {
        let lines: Vec<_> =
            lines.iter().map(|line| line.replace('\n', " ")).collect();
        Messages::read(lines.join("\n").as_bytes())
    }

    #[test]
    fn the_first_error_counts() {
        let second = ERROR.replace("one", "two");
        let warning = ERROR.replace("error", "warning");
        let messages = read(&[&warning, ERROR, &second]);
        assert_eq!(messages.errors["ex01"], "error: one");
    }

    #[test]
    fn what_is_no_message_is_passed_over() {
        let flood = "x".repeat(3 * LINE);
        let messages = read(&["", "{}", &flood, "nonsense", ERROR]);
        assert_eq!(messages.errors["ex01"], "error: one");
    }
}
