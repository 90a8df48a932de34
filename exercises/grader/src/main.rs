//! `cargo grade DIR…`: see `README.md`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use first_socket::ctrl_c;
use first_socket::errors::{self, Error};
use first_socket::events::remark;
use grader::class::{Event, Grader};
use grader::process::{self, Household};
use grader::submission::{self, Submission};
use grader::table::Row;
use grader::tree::Work;
use grader::verdict::Judged;
use grader::{check, results, table};
use indicatif::{ProgressBar, ProgressStyle};

/// Grades submissions. This RUNS STUDENTS' CODE, as you, on this machine
///
/// A student's program can do whatever you can do: read your files, and use
/// the network. Run the grader in a container that has neither;
/// exercises/grader/README.md says how to make it:
///
///   docker run --rm --network none --memory 4g --pids-limit 4096 \
///     --cap-drop ALL --security-opt no-new-privileges \
///     -v "$PWD/class:/class:ro" -v "$PWD/results:/results" \
///     first-socket-grader /class --out /results
///
/// DIR is a submission, or a folder of submissions. A submission is a copy of
/// the course, or its exercises/ alone; of each exercise only src/ is taken.
///
/// The exit code is 0 if all passed, 1 if anything fell short, and 2 for wrong
/// usage.
#[derive(Parser)]
#[command(name = "grade", bin_name = "cargo grade", verbatim_doc_comment)]
struct Args {
    /// Submissions, or folders of submissions
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,

    /// Write DIR/NAME/results.json; otherwise results.json is written into
    /// each submission
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Write all results into one XML file, too, in the form of `JUnit`
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// How many checks run at the same time [default: two for each core]
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: Option<u16>,

    /// How long the check of one exercise may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    time_limit: u64,

    /// How long the build of one submission may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    build_time: u64,

    /// Work in this folder, new or of an earlier run
    /// [default: target/grade in the course]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.split_first() {
        Some((flag, words)) if flag == check::FLAG => check::main(words),
        #[cfg(unix)]
        Some((flag, words)) if flag == grader::build::FLAG => {
            let error = grader::build::become_cargo(words);
            eprintln!("cannot start cargo: {}", errors::why(&error));
            ExitCode::FAILURE
        }
        _ => match run(&Args::parse()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(failure) => errors::exit_code(Err(failure)),
        },
    }
}

/// Whether all is as it should be.
fn run(args: &Args) -> Result<bool, Error> {
    let mut found = submission::find(&args.dirs)?;
    // The results of the last run may lie in the class.
    let out = args.out.as_ref().and_then(|out| out.canonicalize().ok());
    found.submissions.retain(|it| it.folder.is_none() || it.folder != out);
    for path in found.passed_over {
        let text = format!("{path}: not a folder. Unpack it if it is one.");
        remark("REFUSED", text);
    }
    results::try_places(args.out.as_deref(), args.junit.as_deref())?;
    ctrl_c::catch(None, |_| ())?;
    process::close_up();
    let grader = grader(args)?;
    if args.out.is_none() {
        found.submissions.iter().for_each(results::forget);
    }
    let mut class = Class::new(args, &found.submissions);
    class.bar.set_message("the dependencies");
    grader.prepare()?;
    grader.grade(&found.submissions, |event| {
        // What is interrupted is not judged.
        if !ctrl_c::stopping() {
            class.hear(event);
        }
    })?;
    let passed = class.finish();
    if ctrl_c::stopping() {
        let what = "not all submissions are graded";
        return Err(Error::new(
            what,
            &io::Error::other("Ctrl-C"),
            "Start again for the rest.",
        ));
    }
    Ok(passed)
}

fn grader(args: &Args) -> Result<Grader, Error> {
    Ok(Grader {
        work: Work::open(args.work.as_deref())?,
        household: Household::new(),
        build_time: Duration::from_secs(args.build_time),
        time_limit: Duration::from_secs(args.time_limit),
        jobs: args
            .jobs
            .and_then(|jobs| NonZeroUsize::new(jobs.into()))
            .unwrap_or_else(two_for_each_core),
    })
}

fn two_for_each_core() -> NonZeroUsize {
    let cores = std::thread::available_parallelism();
    // A check waits most of the time.
    let cores = cores.unwrap_or(NonZeroUsize::MIN);
    cores.saturating_add(cores.get())
}

/// A class that is being graded.
struct Class<'c> {
    args: &'c Args,
    submissions: &'c [Submission],
    judged: Vec<Vec<Judged>>,
    unwritten: usize,
    bar: ProgressBar,
}

impl<'c> Class<'c> {
    fn new(args: &'c Args, submissions: &'c [Submission]) -> Self {
        let sum = submissions.len() * checks::ALL.len();
        // It draws on a terminal only.
        let bar = ProgressBar::new(sum as u64);
        let style = ProgressStyle::with_template(
            "{bar:30} {pos} of {len}, {eta} left; building {msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        let judged = submissions.iter().map(|_| Vec::new()).collect();
        Self { args, submissions, judged, unwritten: 0, bar }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Building(nth) => {
                self.bar.set_message(self.submissions[nth].shown());
            }
            Event::Judged(nth, judged) => {
                self.bar.inc(1);
                self.judged[nth].push(judged);
                if self.judged[nth].len() == checks::ALL.len() {
                    self.judged[nth].sort_by_key(|it| it.exercise.name);
                    self.write(nth);
                }
            }
        }
    }

    /// At once: a run that is killed leaves the results so far.
    fn write(&mut self, nth: usize) {
        let judged: Vec<_> = self.judged[nth].iter().collect();
        let out = self.args.out.as_deref();
        if let Err(failure) =
            results::write(&self.submissions[nth], &judged, out)
        {
            self.unwritten += 1;
            self.bar.suspend(|| remark("ERROR", failure.0));
        }
    }

    /// Prints the table; whether all passed, and all is written.
    fn finish(mut self) -> bool {
        self.bar.finish_and_clear();
        let rows: Vec<Row<'_>> = self
            .submissions
            .iter()
            .zip(&self.judged)
            .filter(|(_, judged)| judged.len() == checks::ALL.len())
            .map(|(submission, judged)| (submission, judged.iter().collect()))
            .collect();
        let mut text = String::new();
        if let [row] = rows.as_slice() {
            text.push_str(&table::messages(row));
        }
        text.push_str(&table::table(&rows));
        text.push_str(&self.places(rows.len() - self.unwritten));
        if let Some(path) = &self.args.junit
            && let Err(failure) = results::write_junit(path, &rows)
        {
            self.unwritten += 1;
            remark("ERROR", failure.0);
        }
        // Nobody need read it.
        let _ = io::stdout().write_all(text.as_bytes());
        let mut all = self.judged.iter().flatten();
        self.unwritten == 0 && all.all(|judged| judged.verdict.passed())
    }

    fn places(&self, written: usize) -> String {
        let place = self.args.out.as_deref().map_or_else(
            || "in the submission's folder".to_owned(),
            |out| format!("in {}", out.join("NAME").display()),
        );
        format!("results.json: {written} written, each {place}\n")
    }
}
