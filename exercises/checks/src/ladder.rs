//! The ladder: one rung after the other, until one does not hold.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::Builder;
use std::time::Duration;

use harness::Deadline;

use crate::command_line::CommandLine;
use crate::finding::{Failure, Finding};
use crate::trial::Trial;

/// How long one rung may take. Each wait inside is shorter.
pub const RUNG_TIME: Duration = Duration::from_secs(15);

/// How often we look whether a climb is given up.
const LOOK_TIME: Duration = Duration::from_millis(50);

/// What it means when a server has ended by itself.
const ENDED: &str = "the program has ended, and a server never does: its own \
                     words are below. Often it is an unwrap, or ?, where a \
                     client may be gone, or sends what nobody expects.";

/// An exercise: a task with a ladder of rungs.
#[derive(Debug)]
pub struct Exercise {
    /// The package and program, such as `ex03`.
    pub name: &'static str,
    /// The folder in `exercises/`, such as `03_chat`.
    pub folder: &'static str,
    /// What is built.
    pub title: &'static str,
    /// In the order in which they are climbed. The first one is "it starts".
    pub rungs: &'static [Rung],
}

/// One rung: a name, and what the program has to do.
#[derive(Debug)]
pub struct Rung {
    /// What holds when it is climbed; also in the exercise's README.
    pub name: &'static str,
    /// Tries it.
    pub try_it: fn(&Trial) -> Result<(), Finding>,
}

impl Rung {
    /// Its line of a ladder, without how it ends: `  3  a crowd ...... `.
    #[must_use]
    pub fn line(&self, nth: usize) -> String {
        format!("  {nth}  {:.<48} ", format!("{} ", self.name))
    }
}

/// How a climb ended.
#[derive(Debug)]
pub struct Outcome {
    /// How many rungs were climbed.
    pub climbed: usize,
    /// The rung that was not, and why; `None` when all were.
    pub fall: Option<Failure>,
}

/// What happens during a climb.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The climber is at this rung.
    At(&'static Rung),
    /// It is climbed.
    Climbed,
    /// It is not.
    Failed,
}

/// A rung that is being tried on a thread of its own.
struct Attempt {
    trial: Arc<Trial>,
    until: Deadline,
    ended: Receiver<Result<(), Finding>>,
}

/// Climbs the ladder of `exercise` with `program`, and reports each step.
///
/// A program that starts faces all the other rungs at the same time, each with
/// a process of its own. What is reported is the first rung that fails.
pub fn climb(
    exercise: &'static Exercise,
    program: impl Into<CommandLine>,
    report: impl FnMut(Step),
) -> Outcome {
    climb_until(exercise, program, &|| false, report)
        .unwrap_or(Outcome { climbed: 0, fall: None })
}

/// Like [`climb`]; `None` when it was given up, or there is nothing to climb.
/// Nothing that it has started runs any longer then.
pub fn climb_until(
    exercise: &'static Exercise,
    program: impl Into<CommandLine>,
    given_up: &dyn Fn() -> bool,
    mut report: impl FnMut(Step),
) -> Option<Outcome> {
    let program = program.into();
    let (first, others) = exercise.rungs.split_first()?;
    let mut attempts = Vec::new();
    for (nth, rung) in exercise.rungs.iter().enumerate() {
        report(Step::At(rung));
        if nth == 1 {
            attempts = others.iter().map(|r| attempt(r, &program)).collect();
        }
        let failure = match nth {
            0 => attempt(first, &program).failure(nth, rung, given_up),
            _ => attempts[nth - 1].failure(nth, rung, given_up),
        };
        if given_up() {
            return None;
        }
        if failure.is_some() {
            report(Step::Failed);
            return Some(Outcome { climbed: nth, fall: failure });
        }
        report(Step::Climbed);
    }
    Some(Outcome { climbed: exercise.rungs.len(), fall: None })
}

fn attempt(rung: &'static Rung, program: &CommandLine) -> Attempt {
    let trial = Arc::new(Trial::new(program.clone()));
    let (sender, ended) = mpsc::channel();
    let climber = Arc::clone(&trial);
    let until = Deadline::after(RUNG_TIME);
    // Without a thread nothing is sent, which `failure` reports.
    let _ = Builder::new().name(rung.name.to_owned()).spawn(move || {
        let _ = sender.send((rung.try_it)(&climber));
    });
    Attempt { trial, until, ended }
}

impl Attempt {
    fn wait(
        &self,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Result<(), Finding>, RecvTimeoutError> {
        loop {
            let until = self.until.plus(self.trial.granted());
            let left = until.left();
            // Even without time it may have ended: while a rung before it,
            // which had got more, was waited for.
            let look = left.unwrap_or_default().min(LOOK_TIME);
            match self.ended.recv_timeout(look) {
                Err(RecvTimeoutError::Timeout)
                    if left.is_some() && !given_up() => {}
                ended => return ended,
            }
        }
    }

    /// Waits for the end of the attempt; returns the failure if it was one.
    fn failure(
        &self,
        nth: usize,
        rung: &Rung,
        given_up: &dyn Fn() -> bool,
    ) -> Option<Failure> {
        let ended = self.wait(given_up);
        let time = RUNG_TIME + self.trial.granted();
        let ended = ended.unwrap_or_else(|why| Err(without_end(why, time)));
        let ended = ended.map_err(|finding| {
            if self.trial.has_lost_server() && !finding.explains_end {
                return finding.meaning(ENDED);
            }
            finding
        });
        let failure = ended.err().map(|finding| Failure {
            rung: nth,
            name: rung.name,
            sent: self.trial.notes(),
            finding,
            programs: self.trial.reports(),
        });
        self.trial.end();
        failure
    }
}

/// Why a rung has not ended.
fn without_end(why: RecvTimeoutError, time: Duration) -> Finding {
    match why {
        RecvTimeoutError::Timeout => Finding::new(
            format!("no end in {time:?}"),
            "an answer in time",
            "the program is much too slow, or always does a little.",
        ),
        RecvTimeoutError::Disconnected => {
            let why = "it panicked, or there was no thread for it";
            Finding::of_machine("the check itself failed", &why)
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.trial.end();
    }
}

/// Climbs, prints the ladder on stdout, and gives the exit code: 0 when all
/// rungs were climbed, 1 otherwise.
#[must_use]
pub fn main(exercise: &'static Exercise, program: &str) -> ExitCode {
    println!("\n{exercise}");
    let mut nth = 0;
    let outcome = climb(exercise, Path::new(program), |step| {
        use std::io::Write;
        match step {
            Step::At(rung) => {
                nth += 1;
                print!("{}", rung.line(nth));
            }
            Step::Climbed => println!("ok"),
            Step::Failed => println!("FAILED"),
        }
        let _ = std::io::stdout().flush();
    });
    let Some(failure) = outcome.fall else {
        println!("\nAll rungs climbed. {} is solved.\n", exercise.name);
        return ExitCode::SUCCESS;
    };
    println!("\n{failure}");
    println!("Task and hints: exercises/{}/README.md\n", exercise.folder);
    ExitCode::FAILURE
}

/// `ex03, a chat room: 8 rungs`.
impl fmt::Display for Exercise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rungs = self.rungs.len();
        write!(f, "{}, {}: {rungs} rungs", self.name, self.title)
    }
}
