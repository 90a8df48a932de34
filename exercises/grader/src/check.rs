//! Checks one program in a process of its own, which may be killed at any
//! time without harm to the grader.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::Receiver;
use std::thread::Builder;
use std::time::Duration;

use checks::{Exercise, Step};
use first_socket::errors::why;
use serde::{Deserialize, Serialize};

use crate::process::{self, Ended, Household, MOST_PROCESSES, MOST_THREADS};
use crate::verdict::{Verdict, plain};

/// The hidden flag with which the grader starts itself for one check.
pub const FLAG: &str = "--check-one";

/// How much memory each process of a check may use. Every thread has a stack
/// of two MiB.
const MEMORY: u64 = 2 * 1024 * 1024 * 1024;

/// The largest file that a program under test may write.
const FILE: u64 = 256 * 1024 * 1024;

/// How much of a check's report is read.
const REPORT: u64 = 256 * 1024;

/// A step of a check, as one line of JSON.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Line {
    /// A rung was climbed.
    Climbed,
    /// The check has ended: how many rungs were climbed, and the message if
    /// that is not all.
    Ended(usize, Option<String>),
}

/// Where and how programs are checked.
#[derive(Clone, Copy, Debug)]
pub struct Lab<'l> {
    /// A folder in which each check gets a folder of its own.
    pub scratch: &'l Path,
    /// Whose children the checks are.
    pub household: &'l Household,
    /// Ends all.
    /// How long one check may take.
    pub limit: Duration,
}

impl Lab<'_> {
    /// Checks a program.
    #[must_use]
    pub fn check(&self, exercise: &Exercise, program: &Path) -> Verdict {
        self.try_check(exercise, program).unwrap_or_else(|error| {
            Verdict::NotJudged(format!("no check: {}", why(&error)))
        })
    }

    fn try_check(
        &self,
        exercise: &Exercise,
        program: &Path,
    ) -> io::Result<Verdict> {
        let folder = tempfile::Builder::new().tempdir_in(self.scratch)?;
        // Without a name: the program could put a pipe in its place, or a
        // link, and we would wait for ever or show what is not its own.
        let words = tempfile::tempfile_in(folder.path())?;
        let mut command = command(folder.path(), words.try_clone()?)?;
        command.arg(FLAG).arg(exercise.name).arg(program);
        let mut child = self.household.start(&mut command)?;
        let heard = listen(&mut child);
        let ended = self.household.wait(&mut child, self.limit);
        let lines = process::drained(&heard?);
        let words = first_of(words);
        Ok(verdict(exercise, &read(&lines), &ended, self.limit, &words))
    }
}

/// The grader itself, in an empty folder.
fn command(folder: &Path, words: File) -> io::Result<Command> {
    let (home, temp) = (folder.join("home"), folder.join("temp"));
    fs::create_dir(&home)?;
    fs::create_dir(&temp)?;
    let mut command = process::ourselves();
    process::clean(&mut command);
    for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    for name in ["HOME", "USERPROFILE"] {
        command.env(name, &home);
    }
    for name in ["TMPDIR", "TEMP", "TMP"] {
        command.env(name, &temp);
    }
    command.current_dir(&home);
    // While we hold the pipe to its stdin, it knows that we live.
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(words);
    Ok(command)
}

fn listen(child: &mut Child) -> io::Result<Receiver<Vec<u8>>> {
    let stdout = child.stdout.take();
    process::drain(stdout.ok_or(io::ErrorKind::BrokenPipe)?, REPORT)
}

fn first_of(mut words: File) -> String {
    let mut first = Vec::new();
    if words.rewind().is_ok() {
        let _ = words.take(REPORT).read_to_end(&mut first);
    }
    String::from_utf8_lossy(&first).into_owned()
}

fn read(lines: &[u8]) -> Vec<Line> {
    let lines = lines.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn verdict(
    exercise: &Exercise,
    lines: &[Line],
    ended: &Ended,
    limit: Duration,
    words: &str,
) -> Verdict {
    // The last line, when nothing is left that could write another, of a check
    // that nobody has killed.
    if let (Some(Line::Ended(climbed, message)), Ended::Itself(status)) =
        (lines.last(), ended)
        && status.success()
    {
        return message.as_ref().map_or(Verdict::Pass, |message| {
            Verdict::Fail { rung: climbed + 1, message: plain(message) }
        });
    }
    let climbed = lines.iter().filter(|line| **line == Line::Climbed).count();
    let climbed = climbed.min(exercise.rungs.len() - 1);
    let (rung, name) = (climbed + 1, exercise.rungs[climbed].name);
    let at = format!("rung {rung}, {name}");
    match ended {
        Ended::Stopped => Verdict::NotJudged("Ctrl-C".to_owned()),
        Ended::TimedOut => {
            let message = format!("{at}: the check had no end in {limit:?}");
            Verdict::TimedOut { climbed, message }
        }
        Ended::TooMany => Verdict::Fail { rung, message: too_many(&at) },
        Ended::Itself(status) => Verdict::NotJudged(plain(&format!(
            "{at}: the check was ended, perhaps by the program: {status}\n\
             {words}"
        ))),
    }
}

fn too_many(at: &str) -> String {
    format!(
        "{at}: the program started more than {MOST_PROCESSES} processes or \
         {MOST_THREADS} threads, and was ended"
    )
}

/// Checks one program, in the process that the grader has started for it.
#[must_use]
pub fn main(words: &[OsString]) -> ExitCode {
    let [name, program] = words else { return ExitCode::from(2) };
    let named = |exercise: &&&'static Exercise| *name == *exercise.name;
    let Some(exercise) = checks::ALL.iter().find(named) else {
        return ExitCode::from(2);
    };
    let ready = prepare();
    if let Err(error) = ready {
        eprintln!("cannot prepare the check: {}", why(&error));
        return ExitCode::FAILURE;
    }
    let outcome = checks::climb(exercise, Path::new(program), |step| {
        if matches!(step, Step::Climbed) {
            say(&Line::Climbed);
        }
    });
    // Before the end is said: nothing may be left when the grader goes on.
    process::end_all();
    let message = outcome.fall.map(|fall| fall.to_string());
    say(&Line::Ended(outcome.climbed, message));
    ExitCode::SUCCESS
}

fn prepare() -> io::Result<()> {
    process::lead();
    process::adopt_orphans();
    process::limit(MEMORY, FILE)?;
    process::close_up();
    Builder::new().spawn(|| {
        // The end of stdin is the end of the grader.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::end_all();
        std::process::abort();
    })?;
    Ok(())
}

fn say(line: &Line) {
    let Ok(line) = serde_json::to_string(line) else { return };
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[cfg(unix)]
    fn ended(raw: i32) -> Ended {
        use std::os::unix::process::ExitStatusExt;
        Ended::Itself(std::process::ExitStatus::from_raw(raw))
    }

    #[cfg(unix)]
    #[test]
    fn the_last_line_counts_and_not_a_forged_one() {
        let lines =
            b"\"Climbed\"\n{\"Ended\":[8,null]}\n{\"Ended\":[2,\"why\"]}\n";
        let verdict =
            verdict(&checks::CHAT, &read(lines), &ended(0), LIMIT, "");
        let message = "why".to_owned();
        assert_eq!(verdict, Verdict::Fail { rung: 3, message });
    }

    #[cfg(unix)]
    #[test]
    fn a_check_that_was_killed_is_not_believed() {
        let lines = read(b"{\"Ended\":[8,null]}\n");
        let verdict = verdict(&checks::CHAT, &lines, &ended(9), LIMIT, "");
        assert!(matches!(verdict, Verdict::NotJudged(_)), "{verdict:?}");
    }

    #[test]
    fn what_was_climbed_before_the_time_was_over_counts() {
        let lines = read(b"\"Climbed\"\n\"Climbed\"\nnonsense");
        let verdict =
            verdict(&checks::CHAT, &lines, &Ended::TimedOut, LIMIT, "");
        assert_eq!(verdict.score(&checks::CHAT), 2);
        assert!(verdict.message().contains("rung 3"), "{verdict:?}");
    }
}
