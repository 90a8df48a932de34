//! The command line of a program under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Stands in a command line for the number that a check gives with `--port`.
const PORT: &str = "{port}";

/// A program, and the words behind which a check puts its flags:
/// `python3 chat.py` is started as `python3 chat.py --port 0`.
///
/// A program that takes its port in another way says where: of
/// `chat.sh -p {port}` the check makes `chat.sh -p 0`.
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
        command.args(self.with(flags).into_iter().skip(1));
        command
    }

    /// All words, the program first, with these flags.
    pub(crate) fn with(&self, flags: &[&str]) -> Vec<OsString> {
        let (words, mut flags) = (self.words.iter(), flags.to_vec());
        let at = flags.windows(2).position(|pair| pair[0] == "--port");
        let wanted = at.filter(|_| words.clone().any(wants_port));
        let port = wanted.map(|at| {
            flags.remove(at);
            flags.remove(at)
        });
        let words = words.map(|word| match port {
            Some(port) if wants_port(word) => {
                word.to_string_lossy().replace(PORT, port).into()
            }
            _ => word.clone(),
        });
        let program = std::iter::once(self.program.clone());
        let flags = flags.into_iter().map(OsString::from);
        program.chain(words).chain(flags).collect()
    }
}

fn wants_port(word: &OsString) -> bool {
    word.to_string_lossy().contains(PORT)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str], flags: &[&str]) -> String {
        let rest = words[1..].iter().map(OsString::from);
        let words = CommandLine::new(words[0], rest).with(flags);
        words.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn flags_come_behind_the_words() {
        let words = line(&["python3", "chat.py"], &["--port", "0"]);
        assert_eq!(words, "python3 chat.py --port 0");
    }

    #[test]
    fn a_port_comes_where_it_is_wanted() {
        let flags = ["--port", "7", "--dir", "x"];
        let words = line(&["sh", "chat.sh", "-p{port}"], &flags);
        assert_eq!(words, "sh chat.sh -p7 --dir x");
        assert_eq!(line(&["a", "{port}"], &["--dir"]), "a {port} --dir");
    }
}
