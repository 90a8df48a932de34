//! The command line of a program under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program, and the words behind which a check puts its flags:
/// `python3 chat.py` is started as `python3 chat.py --port 0`.
#[derive(Clone, Debug)]
pub struct CommandLine {
    program: OsString,
    words: Vec<OsString>,
}

impl CommandLine {
    /// A program, and what comes behind its name.
    pub fn new(
        program: impl Into<OsString>,
        words: impl IntoIterator<Item = OsString>,
    ) -> Self {
        let words = words.into_iter().collect();
        Self { program: program.into(), words }
    }

    /// The command with these flags.
    pub(crate) fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.words).args(flags);
        command
    }

    /// All words, the program first, with these flags.
    #[cfg(target_os = "linux")]
    pub(crate) fn with(&self, flags: &[&str]) -> Vec<OsString> {
        let words = std::iter::once(&self.program).chain(&self.words).cloned();
        words.chain(flags.iter().map(OsString::from)).collect()
    }
}

/// A program that needs no words.
impl From<&Path> for CommandLine {
    fn from(program: &Path) -> Self {
        Self::new(program, [])
    }
}

impl From<&PathBuf> for CommandLine {
    fn from(program: &PathBuf) -> Self {
        Self::new(program, [])
    }
}
