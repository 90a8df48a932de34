//! Lays a student's `src/` over the tree: plain files only, and not too many.

use std::collections::BTreeSet;
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use checks::Exercise;
use first_socket::errors::why;
use first_socket::escape::{escaped, shown};

use crate::tree::{self, Work};

/// The most files that one `src/` may have.
const MOST_FILES: usize = 200;

/// The largest file that is taken.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The most folders, one in the other.
const DEEPEST: usize = 8;

/// The most entries that are looked at, in one folder or in all.
const MOST_ENTRIES: usize = 2000;

/// At most this many notes on what was left out.
const MOST_NOTES: usize = 10;

/// A `Cargo.toml` that is larger is not read.
const LARGEST_MANIFEST: u64 = 64 * 1024;

/// Puts what a student has for `exercise` into the tree, and returns what was
/// left out; or why there is nothing.
///
/// # Errors
/// When our own disk fails.
pub fn lay(
    work: &Work,
    exercises: &Path,
    exercise: &Exercise,
) -> io::Result<Result<Vec<String>, String>> {
    let ours = work.empty(exercise.folder)?;
    let theirs = exercises.join(exercise.folder);
    let laid = match missing(&theirs) {
        Some(why) => Err(why),
        None => Ok(Overlay::default().lay(&theirs.join("src"), &ours)?),
    };
    // A main.rs may be there and be too large.
    let laid = laid.and_then(|mut notes| {
        notes.extend(foreign_dependencies(&theirs, exercise));
        if ours.join("main.rs").is_file() {
            return Ok(notes);
        }
        Err(format!("src/main.rs was left out: {}", notes.join("; ")))
    });
    if laid.is_err() {
        work.clear(exercise.folder)?;
    }
    Ok(laid)
}

/// A path, its name, and what it has to be.
type Part<'p> = (&'p Path, String, fn(&Metadata) -> bool);

/// Why there is nothing to judge in the folder of an exercise, if so.
fn missing(folder: &Path) -> Option<String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let (src, main) = (folder.join("src"), folder.join("src/main.rs"));
    let parts: [Part<'_>; 3] = [
        (folder, format!("{name}/"), Metadata::is_dir),
        (&src, format!("{name}/src/"), Metadata::is_dir),
        (&main, format!("{name}/src/main.rs"), Metadata::is_file),
    ];
    for (path, name, right) in parts {
        match fs::symlink_metadata(path) {
            Ok(found) if right(&found) => {}
            Ok(found) => {
                return Some(format!("{name} is {}", kind(found.file_type())));
            }
            Err(error) => {
                return Some(format!("{name}: {}", why(&error)));
            }
        }
    }
    None
}

fn kind(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link, which is not followed"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_file() {
        "a file"
    } else {
        "neither a file nor a folder"
    }
}

#[derive(Default)]
struct Overlay {
    files: usize,
    entries: usize,
    notes: Vec<String>,
    left_out: usize,
}

impl Overlay {
    fn lay(mut self, from: &Path, to: &Path) -> io::Result<Vec<String>> {
        self.folder(from, to, Path::new("src"))?;
        let more = self.left_out.saturating_sub(MOST_NOTES);
        if more > 0 {
            self.notes.push(format!("{more} more were left out"));
        }
        Ok(self.notes)
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        self.left_out += 1;
        if self.left_out <= MOST_NOTES {
            let path = escaped(path.as_os_str().as_encoded_bytes());
            self.notes.push(format!("{path} was left out: it is {why}"));
        }
    }

    /// Only what is ours can fail: what is theirs is left out.
    fn folder(
        &mut self,
        from: &Path,
        to: &Path,
        shown: &Path,
    ) -> io::Result<()> {
        let Ok(entries) = fs::read_dir(from) else {
            self.leave_out(shown, "not readable");
            return Ok(());
        };
        let entries = entries.flatten().map(|entry| entry.path());
        // main.rs is not to be left out for what stands beside it.
        let main = from.join("main.rs");
        let others = entries.filter(|path| *path != main);
        let mut paths: Vec<PathBuf> = others.take(MOST_ENTRIES).collect();
        paths.sort();
        let main = fs::symlink_metadata(&main).is_ok().then_some(main);
        for path in main.into_iter().chain(paths) {
            self.entries += 1;
            let Some(name) = path.file_name() else { continue };
            self.entry(&path, &to.join(name), &shown.join(name))?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: &Path,
        to: &Path,
        shown: &Path,
    ) -> io::Result<()> {
        let Ok(found) = fs::symlink_metadata(from) else {
            self.leave_out(shown, "not readable");
            return Ok(());
        };
        if self.entries > MOST_ENTRIES || self.files >= MOST_FILES {
            self.leave_out(shown, "one of too many");
        } else if found.is_dir() && shown.components().count() > DEEPEST {
            self.leave_out(shown, "too deep");
        } else if found.is_dir() {
            fs::create_dir(to)?;
            self.folder(from, to, shown)?;
        } else if !found.is_file() {
            self.leave_out(shown, kind(found.file_type()));
        } else if found.len() > LARGEST_FILE {
            self.leave_out(shown, "too large");
        } else if let Some(content) = read(from, LARGEST_FILE) {
            self.files += 1;
            fs::write(to, content)?;
        } else {
            self.leave_out(shown, "not readable");
        }
        Ok(())
    }
}

/// Reads a plain file that is not too large.
fn read(path: &Path, largest: u64) -> Option<Vec<u8>> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    let file = File::open(path).ok()?;
    file.take(largest + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 <= largest).then_some(content)
}

/// A note on the dependencies that a student has and we have not.
fn foreign_dependencies(folder: &Path, exercise: &Exercise) -> Option<String> {
    let theirs =
        dependencies(&read(&folder.join("Cargo.toml"), LARGEST_MANIFEST)?);
    let ours = fs::read(tree::manifest(exercise.folder)).unwrap_or_default();
    let ours = dependencies(&ours);
    let foreign: Vec<_> = theirs
        .difference(&ours)
        .map(|name| shown(name.as_bytes()))
        .take(MOST_NOTES)
        .collect();
    let foreign = foreign.join(", ");
    (!foreign.is_empty()).then(|| {
        format!(
            "Cargo.toml also asks for {foreign}. Only src/ is graded, with \
             the dependencies that the course gives."
        )
    })
}

/// All dependencies of a program, those of single platforms too.
fn dependencies(manifest: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(manifest);
    let Ok(manifest) = text.parse::<toml::Table>() else {
        return BTreeSet::new();
    };
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let platforms = platforms.into_iter().flat_map(toml::Table::values);
    platforms
        .filter_map(toml::Value::as_table)
        .chain([&manifest])
        .filter_map(|table| table.get("dependencies")?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_wherever_they_stand() {
        let manifest = br#"
            [dependencies]
            clap.workspace = true
            [dependencies.rand]
            version = "0.9"
            [target.'cfg(unix)'.dependencies]
            nix = "0.31"
            [dev-dependencies]
            checks.workspace = true
        "#;

        let found = dependencies(manifest);

        assert!(found.iter().eq(["clap", "nix", "rand"]), "{found:?}");
    }

    #[test]
    fn a_manifest_that_is_none_has_no_dependencies() {
        assert!(dependencies(b"\xff[dependencies").is_empty());
    }

    #[test]
    fn too_many_files_are_left_out_and_main_is_not() {
        let theirs = tempfile::tempdir().unwrap();
        for nth in 0..2 * MOST_ENTRIES {
            fs::write(theirs.path().join(format!("a{nth}.rs")), "").unwrap();
        }
        fs::write(theirs.path().join("main.rs"), "").unwrap();
        let ours = tempfile::tempdir().unwrap();

        let notes = Overlay::default().lay(theirs.path(), ours.path()).unwrap();

        assert_eq!(ours.path().read_dir().unwrap().count(), MOST_FILES);
        assert!(ours.path().join("main.rs").exists());
        assert_eq!(notes.len(), MOST_NOTES + 1);
        assert!(notes[MOST_NOTES].ends_with(" more were left out"));
    }

    #[test]
    fn a_large_file_is_left_out() {
        let theirs = tempfile::tempdir().unwrap();
        let large = File::create(theirs.path().join("large.rs")).unwrap();
        large.set_len(LARGEST_FILE + 1).unwrap();
        let ours = tempfile::tempdir().unwrap();

        let notes = Overlay::default().lay(theirs.path(), ours.path()).unwrap();

        assert_eq!(notes, ["src/large.rs was left out: it is too large"]);
    }
}
