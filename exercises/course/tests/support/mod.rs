//! A small course, in which tests may write what they like.
#![allow(clippy::unwrap_used, reason = "a test fails at the first surprise")]
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Where our own course lies.
const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The right answer to ex02, with std alone: it compiles in a moment.
pub const RIGHT_TIME: &str = include_str!("../programs/time.rs");

/// Its workspace has what it needs, and no dependencies.
const WORKSPACE: &str = "[workspace]\nresolver = \"3\"\nmembers = [\
                         \"exercises/02_time\", \"exercises/changes\"]\n";

/// A course of the pages, the lessons and the exercises.
pub struct Course {
    folder: TempDir,
}

impl Course {
    pub fn new() -> Self {
        let course = Self { folder: tempfile::tempdir().unwrap() };
        for part in ["book/src", "lessons", "exercises/answers/right"] {
            course.copy(part);
        }
        for folder in checks::ALL.map(|exercise| exercise.folder) {
            let part = format!("exercises/{folder}");
            course.copy(&part);
            course.write(&format!("{part}/src/main.rs"), "fn main() {}\n");
        }
        course.write("exercises/course/Cargo.toml", "");
        course.write("Cargo.toml", WORKSPACE);
        for (folder, name) in [("02_time", "ex02"), ("changes", "changes")] {
            course.write(
                &format!("exercises/{folder}/Cargo.toml"),
                &format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n"),
            );
        }
        course.write("exercises/changes/src/lib.rs", "");
        course
    }

    /// The files of a folder of ours, without its folders.
    fn copy(&self, part: &str) {
        fs::create_dir_all(self.path(part)).unwrap();
        for entry in fs::read_dir(Path::new(OURS).join(part)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let to = self.path(part).join(entry.file_name());
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    pub fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    pub fn read(&self, part: &str) -> String {
        fs::read_to_string(self.path(part)).unwrap()
    }

    pub fn write(&self, part: &str, text: &str) {
        let path = self.path(part);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `cargo course` with these words, in this course.
    pub fn command(&self, words: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_course"), words)
    }

    /// A program, such as a shell that starts `cargo course`.
    pub fn program(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.folder.path());
        command.env("CARGO_MANIFEST_DIR", self.path("exercises/course"));
        // Its programs are not to be mixed with ours.
        command.env("CARGO_TARGET_DIR", self.path("target"));
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command
    }

    /// Compiles a program of std alone.
    pub fn compile(&self, name: &str, text: &str) -> PathBuf {
        let source = format!("programs/{name}.rs");
        self.write(&source, text);
        let program = self.path(&format!("programs/{name}{EXE_SUFFIX}"));
        let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
        let ended = Command::new(rustc)
            .args(["--edition", "2024", "--crate-name", "it", "-o"])
            .arg(&program)
            .arg(self.path(&source))
            .status();
        assert!(ended.unwrap().success(), "{text}");
        program
    }
}
