//! Finds the submissions: a folder is one, or holds some.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use first_socket::errors::Error;
use first_socket::escape::escaped;

/// What a student handed in.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The folder's name; no two are the same.
    pub name: OsString,
    /// The folder that the student's `results.json` goes to, if there is one.
    pub folder: Option<PathBuf>,
    /// The folder with the exercises, or why there is none.
    pub exercises: Result<PathBuf, String>,
}

impl Submission {
    /// The name, safe to print.
    #[must_use]
    pub fn shown(&self) -> String {
        escaped(self.name.as_encoded_bytes())
    }
}

/// What was found, in the order of the folders and of the names in them.
#[derive(Debug, Default)]
pub struct Found {
    /// At least one.
    pub submissions: Vec<Submission>,
    /// Entries that are no folders, and so were passed over.
    pub passed_over: Vec<String>,
}

/// Finds the submissions in `folders`.
///
/// # Errors
/// When one of them cannot be read, or has none.
pub fn find(folders: &[PathBuf]) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut places = HashSet::new();
    for folder in folders {
        let place =
            folder.canonicalize().map_err(|e| unreadable(folder, &e))?;
        // Twice the same is once.
        if !places.insert(place.clone()) {
            continue;
        }
        if folders.len() == 1 {
            find_in(&place, &mut found)?;
        } else if place.is_dir() {
            find_among(&place, &mut found);
        } else {
            found.passed_over.push(shown(&place));
        }
    }
    let mut names = HashSet::new();
    for submission in &mut found.submissions {
        let mut nth = 1;
        let plain = submission.name.clone();
        // Results of two that have the same name must not be mixed up.
        while !names.insert(submission.name.clone()) {
            nth += 1;
            submission.name.clone_from(&plain);
            submission.name.push(format!(" ({nth})"));
        }
    }
    Ok(found)
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Error {
    let what = format!("cannot read the folder {}", shown(folder));
    let advice = "Give the folder of a submission, or of many.";
    Error::new(what, error, advice)
}

/// Finds what is in one of many folders, such as the shell makes of `class/*`:
/// mostly a submission each. One student's empty folder stops nobody.
fn find_among(folder: &Path, found: &mut Found) {
    let submission = submission_in(folder);
    if submission.exercises.is_ok() || find_in(folder, found).is_err() {
        found.submissions.push(submission);
    }
}

/// Finds the submissions in a folder that is one, or has some.
fn find_in(folder: &Path, found: &mut Found) -> Result<(), Error> {
    if exercises_in(folder).is_ok() {
        found.submissions.push(submission_in(folder));
        return Ok(());
    }
    let (folders, others) =
        entries(folder).map_err(|error| unreadable(folder, &error))?;
    let submissions: Vec<_> =
        folders.iter().map(|f| submission_in(f)).collect();
    if submissions.iter().all(|submission| submission.exercises.is_err()) {
        let what = format!("no submission in {}", shown(folder));
        let why = "it has no exercises/, and no folder in it has";
        let advice = "Give the folder of a submission, or of many. Unpack \
                      archives first.";
        return Err(Error::new(what, &std::io::Error::other(why), advice));
    }
    found.submissions.extend(submissions);
    found.passed_over.extend(others.iter().map(|path| shown(path)));
    Ok(())
}

/// The folders in a folder, links included, and what is no folder. Hidden
/// entries are neither.
fn entries(folder: &Path) -> std::io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut paths: Vec<_> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !hidden(path.file_name().unwrap_or_default()))
        .collect();
    paths.sort();
    let folder = |path: &PathBuf| {
        is_folder(path) || (path.is_symlink() && path.is_dir())
    };
    Ok(paths.into_iter().partition(folder))
}

/// macOS puts a folder of that name into archives.
fn hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

fn submission_in(folder: &Path) -> Submission {
    let name = folder.file_name().unwrap_or(OsStr::new("submission"));
    let name = name.to_owned();
    if folder.is_symlink() {
        let why = "the submission is a symbolic link, which is not followed";
        return Submission { name, folder: None, exercises: Err(why.into()) };
    }
    let exercises = exercises_in(folder).or_else(|why| {
        // An archive often holds one folder with all the rest in it.
        match entries(folder).unwrap_or_default().0.as_slice() {
            [only] if is_folder(only) => exercises_in(only),
            _ => Err(why),
        }
    });
    Submission { name, folder: Some(folder.to_owned()), exercises }
}

fn exercises_in(folder: &Path) -> Result<PathBuf, String> {
    let exercises = folder.join("exercises");
    if exercises.is_symlink() {
        let why = "exercises/ is a symbolic link, which is not followed";
        return Err(why.into());
    }
    if is_folder(&exercises) {
        return Ok(exercises);
    }
    let one = |exercise: &&checks::Exercise| folder.join(exercise.folder);
    if checks::ALL.iter().map(one).any(|path| is_folder(&path)) {
        return Ok(folder.to_owned());
    }
    Err("the submission has no folder exercises/".to_owned())
}

/// Whether it is a folder itself, and not a link to one.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn shown(path: &Path) -> String {
    escaped(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        root
    }

    fn names(found: &Found) -> Vec<String> {
        found.submissions.iter().map(Submission::shown).collect()
    }

    #[test]
    fn a_copy_of_the_repository_is_one_submission() {
        let root = folders(&["anna/exercises/02_time", "anna/src"]);
        let found = find(&[root.path().join("anna")]).unwrap();
        assert_eq!(names(&found), ["anna"]);
    }

    #[test]
    fn the_exercises_alone_are_one_submission() {
        let root = folders(&["anna/02_time/src", "anna/05_gopher"]);
        let found = find(&[root.path().join("anna")]).unwrap();
        assert_eq!(names(&found), ["anna"]);
    }

    #[test]
    fn a_class_may_have_one_student() {
        let root = folders(&["class/anna/first-socket-main/exercises"]);
        let found = find(&[root.path().join("class")]).unwrap();
        assert_eq!(names(&found), ["anna"]);
        assert!(found.submissions[0].exercises.is_ok());
    }

    #[test]
    fn a_class_is_in_the_order_of_the_names() {
        let root = folders(&[
            "ben/first-socket-main/exercises",
            "ben/__MACOSX",
            "anna/exercises",
            "carl/homework",
            ".git/exercises",
        ]);
        fs::write(root.path().join("dora.zip"), "").unwrap();

        let found = find(&[root.path().to_owned()]).unwrap();

        assert_eq!(names(&found), ["anna", "ben", "carl"]);
        assert!(found.submissions[1].exercises.is_ok());
        assert!(found.submissions[2].exercises.is_err());
        assert!(found.passed_over[0].ends_with("dora.zip"));
    }

    #[test]
    fn two_of_the_same_name_are_told_apart() {
        let root = folders(&["1/anna/exercises", "2/anna/exercises"]);
        let both = ["1/anna", "2/anna"].map(|path| root.path().join(path));
        assert_eq!(names(&find(&both).unwrap()), ["anna", "anna (2)"]);
    }

    #[test]
    fn of_many_folders_each_is_mostly_a_submission() {
        let root = folders(&[
            "anna/first-socket-main/exercises",
            "ben",
            "carl/exercises",
            "course/dora/exercises",
            "course/emil/exercises",
        ]);
        fs::write(root.path().join("notes.txt"), "").unwrap();
        let names_given =
            ["anna", "ben", "carl", "carl", "course", "notes.txt"];
        let given = names_given.map(|name| root.path().join(name));

        let found = find(&given).unwrap();

        assert_eq!(names(&found), ["anna", "ben", "carl", "dora", "emil"]);
        assert!(found.submissions[1].exercises.is_err());
        assert!(found.passed_over[0].ends_with("notes.txt"));
    }

    #[test]
    fn a_folder_without_exercises_is_an_error() {
        let root = folders(&["homework/maths"]);
        let error = find(&[root.path().to_owned()]).unwrap_err().0;
        assert!(error.contains("no submission in"), "{error}");
    }
}
