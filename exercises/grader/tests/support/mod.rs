//! Makes submissions, and grades them with the real program.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails at the first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// One grader at a time works in the folder.
static TURN: Mutex<()> = Mutex::new(());

/// A folder of submissions, removed when it is dropped.
pub struct Class {
    root: TempDir,
}

impl Class {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Writes a file of a submission, with the folders round it.
    pub fn write(&self, path: &str, content: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Writes the program of one exercise.
    pub fn program(&self, name: &str, folder: &str, text: &str) -> &Self {
        let text = text.replace("MARK", &std::process::id().to_string());
        self.write(&format!("{name}/exercises/{folder}/src/main.rs"), &text)
    }

    pub fn folder(&self, path: &str) -> &Self {
        fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    #[cfg(unix)]
    pub fn link(&self, path: &str, to: impl AsRef<Path>) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, path).unwrap();
        self
    }

    /// Grades the whole class.
    pub fn grade(&self, args: &[&str]) -> Output {
        let dir = self.root.path().to_str().unwrap().to_owned();
        grade(&[&[dir.as_str()], args].concat())
    }
}

/// Where the graders of the tests work; it stays from one test to the next.
pub fn work() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("grade")
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grader"));
    command.args(args).arg("--work").arg(work());
    command.env_remove("RUST_BACKTRACE");
    command
}

pub fn grade(args: &[&str]) -> Output {
    in_turn(|| {
        loop {
            let output = command(args).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            // Somebody else's tests, in the same target folder.
            if !stderr.contains("another grader is at work") {
                return output;
            }
            thread::sleep(Duration::from_millis(200));
        }
    })
}

pub fn in_turn<T>(action: impl FnOnce() -> T) -> T {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    action()
}

/// The results of one exercise in a `results.json`.
pub struct Test(Value);

impl Test {
    pub fn read(results: &Path, exercise: usize) -> Self {
        let text = fs::read_to_string(results).unwrap();
        let mut all: Value = serde_json::from_str(&text).unwrap();
        Self(all["tests"][exercise - 1].take())
    }

    pub fn output(&self) -> &str {
        self.0["output"].as_str().unwrap()
    }

    pub fn status(&self) -> &str {
        self.0["status"].as_str().unwrap()
    }

    pub fn score(&self) -> (u64, u64) {
        let number = |name| self.0[name].as_u64().unwrap();
        (number("score"), number("max_score"))
    }
}

/// Processes of students' programs, and those that they have started.
#[cfg(target_os = "linux")]
pub fn left_over() -> Vec<String> {
    let mark = format!("1000.{}", std::process::id());
    let programs = work().join("programs").display().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&mark) || line.contains(&programs))
        .collect()
}
