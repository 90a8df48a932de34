//! Results in files: Gradescope's `results.json`, and `JUnit`'s XML.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use first_socket::errors::Error;
use first_socket::escape::escaped;
use quick_junit::{
    NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite,
};
use serde::Serialize;

use crate::submission::Submission;
use crate::verdict::{Judged, Verdict};

/// What a submission's results are called.
const NAME: &str = "results.json";

/// How the name of a file begins that is not complete.
const PREFIX: &str = ".results-";

/// <https://gradescope-autograders.readthedocs.io/en/latest/specs/>
#[derive(Serialize)]
struct Results<'r> {
    score: usize,
    execution_time: u64,
    tests: Vec<Test<'r>>,
}

#[derive(Serialize)]
struct Test<'t> {
    number: String,
    name: String,
    score: usize,
    max_score: usize,
    status: &'t str,
    output: String,
    output_format: &'t str,
}

/// Writes a submission's `results.json`: into its folder, or into one of its
/// name in `out`. Returns where.
///
/// # Errors
/// When that is not possible.
pub fn write(
    submission: &Submission,
    all: &[&Judged],
    out: Option<&Path>,
) -> Result<PathBuf, Error> {
    let folder = match (out, &submission.folder) {
        (Some(out), _) => out.join(&submission.name),
        (None, Some(folder)) => folder.clone(),
        (None, None) => {
            let what = format!("no results for {}", submission.shown());
            let why = "the submission is a symbolic link";
            let advice = "Write them elsewhere with --out DIR.";
            return Err(Error::new(what, &io::Error::other(why), advice));
        }
    };
    let path = folder.join(NAME);
    let results = serde_json::to_vec_pretty(&results(all));
    let made = fs::create_dir_all(&folder);
    made.and_then(|()| publish(&path, &results?))
        .map_err(|error| unwritten(&path, &error, "--out DIR"))?;
    Ok(path)
}

/// Removes a `results.json` of an earlier run, or of the student's making, so
/// that a run that is broken off leaves none but its own.
pub fn forget(submission: &Submission) {
    if let Some(folder) = &submission.folder {
        // Where it cannot be removed, writing will fail and say so.
        let _ = fs::remove_file(folder.join(NAME));
    }
}

/// Writes the results of all submissions as `JUnit`'s XML.
///
/// # Errors
/// When that is not possible.
pub fn write_junit(
    path: &Path,
    class: &[(&Submission, Vec<&Judged>)],
) -> Result<(), Error> {
    let mut all = Report::new("cargo grade");
    all.add_test_suites(class.iter().map(|(submission, judged)| {
        let mut suite = TestSuite::new(submission.shown());
        suite.add_test_cases(judged.iter().map(|judged| test_case(judged)));
        suite
    }));
    let text = all.to_string().map_err(io::Error::other);
    text.and_then(|text| publish(path, text.as_bytes()))
        .map_err(|error| unwritten(path, &error, "--junit FILE"))
}

/// Says at once, and not after an hour, that there is no folder for results,
/// or that nothing can be written into it.
///
/// # Errors
/// When it is so.
pub fn try_places(
    out: Option<&Path>,
    junit: Option<&Path>,
) -> Result<(), Error> {
    if let Some(out) = out {
        let tried = fs::create_dir_all(out).and_then(|()| try_folder(out));
        tried.map_err(|error| unwritten(out, &error, "--out DIR"))?;
    }
    if let Some(file) = junit {
        let tried = if file.is_dir() {
            Err(io::ErrorKind::IsADirectory.into())
        } else {
            try_folder(folder_of(file))
        };
        tried.map_err(|error| unwritten(file, &error, "--junit FILE"))?;
    }
    Ok(())
}

fn try_folder(folder: &Path) -> io::Result<()> {
    tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder).map(drop)
}

fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn unwritten(path: &Path, error: &io::Error, flag: &str) -> Error {
    let path = escaped(path.as_os_str().as_encoded_bytes());
    let what = format!("cannot write {path}");
    let advice = format!("Write elsewhere with {flag}.");
    Error::new(what, error, &advice)
}

fn results<'r>(all: &[&Judged]) -> Results<'r> {
    let time: Duration = all.iter().map(|judged| judged.time).sum();
    let tests: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(nth, judged)| test(nth + 1, judged))
        .collect();
    let score = tests.iter().map(|test| test.score).sum();
    Results { score, execution_time: time.as_secs(), tests }
}

fn test<'t>(number: usize, judged: &Judged) -> Test<'t> {
    let exercise = judged.exercise;
    Test {
        number: number.to_string(),
        name: format!("{}, {}", exercise.name, exercise.title),
        score: judged.verdict.score(exercise),
        max_score: exercise.rungs.len(),
        status: if judged.verdict.passed() { "passed" } else { "failed" },
        output: judged.output(),
        output_format: "text",
    }
}

fn test_case(judged: &Judged) -> TestCase {
    let kind = match judged.verdict {
        Verdict::Pass => None,
        Verdict::Fail { .. }
        | Verdict::DoesNotCompile(_)
        | Verdict::Missing(_) => Some(NonSuccessKind::Failure),
        Verdict::TimedOut { .. } | Verdict::NotJudged(_) => {
            Some(NonSuccessKind::Failure)
        }
    };
    let status = kind.map_or_else(TestCaseStatus::success, |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        let verdict = judged.verdict.to_string();
        status.set_message(verdict.clone()).set_type(verdict);
        status.set_description(judged.output());
        status
    });
    let mut case = TestCase::new(judged.exercise.name, status);
    case.set_time(judged.time);
    case
}

/// Puts a file under its name when it is complete. What had the name is
/// replaced; if that was a link, what it leads to is not touched.
fn publish(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder_of(path))?;
    file.write_all(content)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
