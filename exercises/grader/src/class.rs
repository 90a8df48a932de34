//! Grades a class: one submission after the other is built, while those before
//! it are checked.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use checks::Exercise;
use first_socket::ctrl_c;
use first_socket::errors::{Error, why};

use crate::build::Bench;
use crate::check::Lab;
use crate::overlay;
use crate::process::Household;
use crate::submission::Submission;
use crate::tree::Work;
use crate::verdict::{Judged, Verdict};

/// How a class is graded.
#[derive(Debug)]
pub struct Grader {
    /// Where.
    pub work: Work,
    /// Whose children all processes are.
    pub household: Household,
    /// How long the build of one submission may take.
    pub build_time: Duration,
    /// How long the check of one exercise may take.
    pub time_limit: Duration,
    /// How many checks run at the same time.
    pub jobs: NonZeroUsize,
}

/// What happens while a class is graded.
#[derive(Debug)]
pub enum Event {
    /// The submission with this number is being built.
    Building(usize),
    /// An exercise of the submission with this number is judged.
    Judged(usize, Judged),
}

/// A program that waits for its check.
struct Job {
    submission: usize,
    exercise: &'static Exercise,
    program: PathBuf,
    notes: Vec<String>,
}

impl Grader {
    /// Compiles the dependencies, if that is still to be done.
    ///
    /// # Errors
    /// When they do not compile.
    pub fn prepare(&self) -> Result<(), Error> {
        self.bench().prepare()
    }

    fn bench(&self) -> Bench<'_> {
        let (work, household) = (&self.work, &self.household);
        Bench { work, household, limit: self.build_time }
    }

    /// Grades all submissions; `tell` hears of each step.
    ///
    /// # Errors
    /// When the system has no threads for it.
    pub fn grade(
        &self,
        class: &[Submission],
        mut tell: impl FnMut(Event),
    ) -> Result<(), Error> {
        let mut again = Vec::new();
        self.grade_together(class, |event| match event {
            Event::Judged(nth, judged) if judged.verdict.is_doubtful() => {
                again.push((nth, judged.exercise));
            }
            event => tell(event),
        })?;
        // Somebody else's program may be to blame, so each gets a second
        // chance, alone.
        for (nth, exercise) in again {
            if ctrl_c::stopping() {
                break;
            }
            // A program may have changed the tree, too. What fails here fails
            // in `build` as well, and is reported.
            let _ = self.work.refresh();
            tell(Event::Building(nth));
            for built in self.build(nth, &class[nth], &[exercise]) {
                let judged = built.map_or_else(|it| it, |it| self.check(it));
                tell(Event::Judged(nth, judged));
            }
        }
        Ok(())
    }

    fn grade_together(
        &self,
        class: &[Submission],
        mut tell: impl FnMut(Event),
    ) -> Result<(), Error> {
        let (events, heard) = mpsc::channel();
        // Programs that wait take room on the disk: not too many of them.
        let (jobs, waiting) = mpsc::sync_channel(self.jobs.get());
        let waiting = Mutex::new(waiting);
        let started = thread::scope(|scope| {
            for _ in 0..self.jobs.get() {
                let (waiting, events) = (&waiting, events.clone());
                let check = move || self.check_all(waiting, &events);
                Builder::new().spawn_scoped(scope, check)?;
            }
            let build = move || self.build_all(class, &jobs, &events);
            Builder::new().spawn_scoped(scope, build)?;
            heard.into_iter().for_each(&mut tell);
            Ok(())
        });
        started.map_err(|error: std::io::Error| {
            let advice = "Ask for fewer checks at once with --jobs.";
            Error::new("cannot start", &error, advice)
        })
    }

    fn build_all(
        &self,
        class: &[Submission],
        jobs: &SyncSender<Job>,
        events: &Sender<Event>,
    ) {
        for (nth, submission) in class.iter().enumerate() {
            if ctrl_c::stopping() {
                break;
            }
            let _ = events.send(Event::Building(nth));
            for built in self.build(nth, submission, &checks::ALL) {
                // Nobody hears us when the grader gives up.
                let _ = match built {
                    Ok(job) => jobs.send(job).map_err(drop),
                    Err(judged) => {
                        events.send(Event::Judged(nth, judged)).map_err(drop)
                    }
                };
            }
        }
    }

    /// Lays a submission over the tree and builds it: for each exercise there
    /// is a program, or a verdict already.
    fn build(
        &self,
        nth: usize,
        submission: &Submission,
        exercises: &[&'static Exercise],
    ) -> Vec<Result<Job, Judged>> {
        let mut laid = Vec::new();
        let mut done = Vec::new();
        for &exercise in exercises {
            match self.lay(submission, exercise) {
                Ok(notes) => laid.push((exercise, notes)),
                Err(verdict) => {
                    done.push(Err(judged(exercise, verdict, Vec::new())));
                }
            }
        }
        if !laid.is_empty() {
            done.extend(self.build_laid(nth, laid));
        }
        done
    }

    fn build_laid(
        &self,
        nth: usize,
        laid: Vec<(&'static Exercise, Vec<String>)>,
    ) -> Vec<Result<Job, Judged>> {
        let exercises: Vec<_> = laid.iter().map(|(it, _)| *it).collect();
        let to = self.work.programs().join(nth.to_string());
        let built = self.bench().build(&exercises, &to);
        let mut built = built.unwrap_or_else(|error| {
            let why = format!("no build: {}", why(&error));
            let failed = Verdict::NotJudged(why);
            exercises.iter().map(|it| (it.name, Err(failed.clone()))).collect()
        });
        let programs = laid.into_iter().filter_map(|(exercise, notes)| {
            Some(match built.remove(exercise.name)? {
                Ok(program) => {
                    Ok(Job { submission: nth, exercise, program, notes })
                }
                Err(verdict) => Err(judged(exercise, verdict, notes)),
            })
        });
        programs.collect()
    }

    fn lay(
        &self,
        submission: &Submission,
        exercise: &Exercise,
    ) -> Result<Vec<String>, Verdict> {
        let folder = submission.exercises.as_deref();
        let nothing = |why: &String| Verdict::Missing(why.clone());
        let laid = overlay::lay(&self.work, folder.map_err(nothing)?, exercise);
        laid.map_err(|error| {
            Verdict::NotJudged(format!("no copy: {}", why(&error)))
        })?
        .map_err(Verdict::Missing)
    }

    fn check_all(
        &self,
        waiting: &Mutex<Receiver<Job>>,
        events: &Sender<Event>,
    ) {
        let next = || {
            let waiting =
                waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.recv().ok()
        };
        while let Some(job) = next() {
            let nth = job.submission;
            let _ = events.send(Event::Judged(nth, self.check(job)));
        }
    }

    fn check(&self, job: Job) -> Judged {
        let lab = Lab {
            scratch: &self.work.scratch(),
            household: &self.household,
            limit: self.time_limit,
        };
        let begin = Instant::now();
        let verdict = lab.check(job.exercise, &job.program);
        let time = begin.elapsed();
        // The disk is not to fill up; what is left goes with the next run.
        let _ = std::fs::remove_file(&job.program);
        Judged { time, ..judged(job.exercise, verdict, job.notes) }
    }
}

fn judged(
    exercise: &'static Exercise,
    verdict: Verdict,
    notes: Vec<String>,
) -> Judged {
    Judged { exercise, verdict, notes, time: Duration::ZERO }
}
