//! The pristine tree: our copy of the course, over which each student's `src/`
//! is laid in turn.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use first_socket::errors::Error;
use first_socket::escape::escaped;

/// The checkout that this grader was built from. All but the students' `src/`
/// comes from there.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What of it belongs to the workspace.
const PARTS: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "src", "lessons", "tests", "exercises"];

/// What stands in an exercise's `src/` while it is nobody's.
const PLACEHOLDER: &str = "fn main() {}\n";

/// Marks a folder that is ours, and that no backup needs:
/// <https://bford.info/cachedir/>.
const MARK: &str = "CACHEDIR.TAG";
const MARK_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
                         # Made by `cargo grade`; may be removed.\n";

/// The folder that the grader works in. It stays, so that the next run need
/// not compile the dependencies again.
#[derive(Debug)]
pub struct Work {
    root: PathBuf,
    /// Held until the end: two graders would judge each other's students.
    lock: File,
}

impl Drop for Work {
    /// Gives the folder back at once. Closing the file would not always do:
    /// a program that another thread is just starting has a copy of it, and
    /// with it the lock (flock(2)).
    fn drop(&mut self) {
        // When it fails, the lock ends with the last copy.
        let _ = fs4::FileExt::unlock(&self.lock);
    }
}

impl Work {
    /// Makes the folder, or takes up the one of the last run.
    ///
    /// # Errors
    /// When it is another grader's or something else, or the disk fails.
    pub fn open(root: Option<&Path>) -> Result<Self, Error> {
        let usual = checkout().join("target/grade");
        let root = root.unwrap_or(&usual);
        let cannot = |error: io::Error| {
            let root = escaped(root.as_os_str().as_encoded_bytes());
            let what = format!("cannot work in {root}");
            let advice = "Choose another folder with --work.";
            Error::new(what, &error, advice)
        };
        let lock = claim(root).map_err(cannot)?;
        let root = root.canonicalize().map_err(cannot)?;
        let work = Self { root, lock };
        work.refresh().map_err(cannot)?;
        Ok(work)
    }

    /// Brings the tree up to date, and removes what waits for its check and
    /// what programs have left.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn refresh(&self) -> io::Result<()> {
        for folder in [self.programs(), self.scratch()] {
            remove(&folder)?;
            fs::create_dir(folder)?;
        }
        fs::create_dir_all(self.tree())?;
        for part in PARTS {
            self.copy(&checkout().join(part), &self.tree().join(part))?;
        }
        for exercise in checks::ALL {
            self.clear(exercise.folder)?;
        }
        Ok(())
    }

    /// Makes `to` the same as `from`. What is the same already keeps its time,
    /// so that cargo need not compile it again.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.is_students(to) {
            return Ok(());
        }
        if !from.is_dir() {
            let content = fs::read(from)?;
            // A program may have put a pipe or a link there.
            let found = fs::symlink_metadata(to);
            if found.is_ok_and(|found| found.is_file())
                && fs::read(to).is_ok_and(|ours| ours == content)
            {
                return Ok(());
            }
            remove(to)?;
            return fs::write(to, content);
        }
        let found = fs::symlink_metadata(to);
        if !found.is_ok_and(|found| found.is_dir()) {
            remove(to)?;
            fs::create_dir(to)?;
        }
        let mut names = HashSet::<OsString>::new();
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            if name != "target" && !name.as_encoded_bytes().starts_with(b".") {
                self.copy(&from.join(&name), &to.join(&name))?;
                names.insert(name);
            }
        }
        self.remove_others(to, &names)
    }

    fn remove_others(
        &self,
        folder: &Path,
        names: &HashSet<OsString>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if !names.contains(&entry.file_name()) && !self.is_students(&path) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn is_students(&self, path: &Path) -> bool {
        checks::ALL.iter().any(|exercise| path == self.src(exercise.folder))
    }

    /// Removes what a student had in an exercise.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn clear(&self, folder: &str) -> io::Result<()> {
        let src = self.empty(folder)?;
        fs::write(src.join("main.rs"), PLACEHOLDER)
    }

    /// The empty `src/` of an exercise.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn empty(&self, folder: &str) -> io::Result<PathBuf> {
        let src = self.src(folder);
        remove(&src)?;
        fs::create_dir(&src)?;
        Ok(src)
    }

    fn src(&self, folder: &str) -> PathBuf {
        self.tree().join("exercises").join(folder).join("src")
    }

    /// The pristine tree.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.root.join("tree")
    }

    /// Cargo's target folder, which all submissions share.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Where programs wait for their check.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.root.join("programs")
    }

    /// Where programs run.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }
}

/// The checkout that this grader was built from.
#[must_use]
pub fn checkout() -> PathBuf {
    let checkout = Path::new(CHECKOUT);
    checkout.canonicalize().unwrap_or_else(|_| checkout.to_owned())
}

/// Our Cargo.toml of an exercise.
#[must_use]
pub fn manifest(folder: &str) -> PathBuf {
    checkout().join("exercises").join(folder).join("Cargo.toml")
}

/// Makes the folder ours, and locks it.
fn claim(root: &Path) -> io::Result<File> {
    let mark = root.join(MARK);
    let taken = fs::read_dir(root).is_ok_and(|mut all| all.next().is_some());
    if taken && !fs::read_to_string(&mark).is_ok_and(|it| it == MARK_TEXT) {
        let why = "it holds something that is not the grader's";
        return Err(io::Error::other(why));
    }
    fs::create_dir_all(root)?;
    fs::write(&mark, MARK_TEXT)?;
    let lock = File::create(root.join("lock"))?;
    fs4::FileExt::try_lock(&lock)
        .map_err(|_| io::Error::other("another grader is at work there"))?;
    Ok(lock)
}

/// Removes a file, a link or a folder, if it exists.
fn remove(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path);
    let removed = match found {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).or_else(|_| {
            open_up(path);
            fs::remove_dir_all(path)
        }),
        _ => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Lets us into all folders below `folder`: a program may have locked some.
fn open_up(folder: &Path) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let ours = fs::Permissions::from_mode(0o700);
            // What cannot be opened is not removed, which is reported.
            let _ = fs::set_permissions(&folder, ours);
        }
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let inner = entries.flatten().filter(|entry| {
            // A link is none.
            entry.file_type().is_ok_and(|kind| kind.is_dir())
        });
        folders.extend(inner.map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_else_in_it_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let thesis = root.path().join("tree");
        fs::write(&thesis, "my thesis").unwrap();

        let error = Work::open(Some(root.path())).unwrap_err();

        assert!(error.0.contains("not the grader's"), "{error:?}");
        assert_eq!(fs::read(thesis).unwrap(), b"my thesis");
    }

    #[test]
    fn two_graders_do_not_work_in_the_same_folder() {
        let root = tempfile::tempdir().unwrap();
        let _first = Work::open(Some(root.path())).unwrap();

        let error = Work::open(Some(root.path())).unwrap_err();

        assert!(error.0.contains("another grader"), "{error:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_a_program_has_locked_is_removed() {
        use std::os::unix::fs::PermissionsExt;

        let root = tempfile::tempdir().unwrap();
        let locked = root.path().join("a/locked");
        fs::create_dir_all(locked.join("b")).unwrap();
        fs::write(locked.join("b/c"), "").unwrap();
        let nobody = fs::Permissions::from_mode(0o000);
        fs::set_permissions(&locked, nobody).unwrap();

        remove(&root.path().join("a")).unwrap();

        assert!(!root.path().join("a").exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_program_has_put_into_the_tree_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let work = Work::open(Some(root.path())).unwrap();
        let thesis = root.path().join("elsewhere/thesis");
        fs::create_dir(root.path().join("elsewhere")).unwrap();
        fs::write(&thesis, "my thesis").unwrap();
        let (folder, file) =
            (work.tree().join("lessons"), work.tree().join("Cargo.lock"));
        fs::remove_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(root.path().join("elsewhere"), &folder)
            .unwrap();
        fs::remove_file(&file).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());

        work.refresh().unwrap();

        assert!(thesis.exists());
        assert!(!folder.is_symlink() && file.is_file());
    }

    #[test]
    fn what_does_not_belong_to_the_tree_is_removed_from_it() {
        let root = tempfile::tempdir().unwrap();
        let work = Work::open(Some(root.path())).unwrap();
        let ours = work.tree().join("exercises/03_chat");
        fs::write(ours.join("build.rs"), "fn main() {}").unwrap();
        fs::write(ours.join("Cargo.toml"), "").unwrap();
        fs::write(ours.join("src/extra.rs"), "").unwrap();

        drop(work);
        Work::open(Some(root.path())).unwrap();

        assert!(!ours.join("build.rs").exists());
        assert!(!ours.join("src/extra.rs").exists());
        assert_eq!(
            fs::read(ours.join("Cargo.toml")).unwrap(),
            fs::read(manifest("03_chat")).unwrap()
        );
    }
}
