//! The course itself, or a copy of it to break.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::includes;
use crate::page::{self, Piece};

/// Of what a copy consists: all that a page shows, or a README links to.
const PARTS: [&str; 11] = [
    ".github",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "book",
    "exercises",
    "lessons",
    "src",
    "tests",
];

/// A folder with the course in it.
pub struct Course {
    root: PathBuf,
    /// Removes a copy when it is dropped.
    _folder: Option<TempDir>,
}

impl Course {
    pub fn ours() -> Self {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let root = Path::new(&root).canonicalize().unwrap();
        Self { root, _folder: None }
    }

    /// A copy, to break.
    pub fn copy() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for part in PARTS {
            copy(&Self::ours().root.join(part), &root.join(part));
        }
        Self { root, _folder: Some(folder) }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// The text of a file of the course.
    #[track_caller]
    pub fn read(&self, file: &str) -> String {
        let text = fs::read_to_string(self.path(file));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Puts `new` in place of the first `old` in a file.
    #[track_caller]
    pub fn change(&self, file: &str, old: &str, new: &str) {
        let text = self.read(file);
        assert!(text.contains(old), "{file} does not contain {old:?}");
        self.write(file, &text.replacen(old, new, 1));
    }

    /// Writes `text` to the end of a file.
    pub fn append(&self, file: &str, text: &str) {
        self.write(file, &(self.read(file) + text));
    }

    /// The names of what is in a folder, in their order.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The names of all pages, without SUMMARY.md.
    pub fn pages(&self) -> Vec<String> {
        let names = self.list("book/src").into_iter();
        names
            .filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()))
            .filter(|name| name != "SUMMARY")
            .collect()
    }

    /// A page as it is written.
    #[track_caller]
    pub fn text(&self, page: &str) -> String {
        self.read(&format!("book/src/{page}.md"))
    }

    /// What a page consists of, with its includes as they are written.
    pub fn written(&self, page: &str) -> Vec<Piece> {
        page::pieces(&self.text(page))
    }

    /// What a page consists of, with what it includes.
    pub fn shown(&self, page: &str) -> Vec<Piece> {
        page::pieces(&includes::laid_in(self, &self.text(page)))
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}
