//! The folder that a Gopher server has to show, and what lies beside it.

// Links, pipes and odd names are things of Unix.
#![cfg_attr(
    not(unix),
    allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the functions do nothing elsewhere"
    )
)]

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::finding::Finding;
use crate::trial::{Server, Trial};

use super::content::{NOTES, TEXTS, large, long_text, others};

/// What stands in files outside the folder.
pub(super) const SECRET: &str = "nobody-may-read-this";

/// A file beside the folder: its name must not be listed.
pub(super) const NEIGHBOUR: &str = "beside-the-folder.txt";

/// A file that goes while the server runs.
pub(super) const SHORT_LIVED: &str = "gone-soon.txt";

/// Names that look like something else. Each holds its own name.
const ODD: [&str; 17] = [
    "two words.txt",
    " space before",
    "space behind ",
    ".hidden",
    "..two-dots",
    "a..b.txt",
    "...",
    "%41.txt",
    "a+b&c=d?e#f.txt",
    "back\\slash.txt",
    "quo\"te's.txt",
    "gr\u{fc}\u{df}e \u{65e5}\u{672c} \u{1f600}.txt",
    "UPPER.TXT",
    "-dash",
    "0",
    "star*.txt",
    "colon:name",
];

/// Names that would break a line of a menu.
const UNSHOWN: [&str; 3] =
    ["tab\there.txt", "line\nend.txt", "carriage\rreturn.txt"];

/// Symbolic links: a server may list them, or not.
const LINKS: [&str; 7] =
    ["link.txt", "linked", "chain.txt", "inner", "inside.txt", "dead", "loop"];

/// How long the names of the folders in folders are.
const LONG_NAME: usize = 240;

/// How many bytes the longest selector has that has to be answered.
pub(super) const LONGEST: usize = 1000;

/// What a rung needs in its folder. No more is put there: a server looks at all
/// of it for each menu.
pub(super) type Part = fn(&mut World) -> io::Result<()>;

/// A folder to show, and things beside it that are not shown.
pub(super) struct World {
    root: TempDir,
    /// What the menu has to show, as (name, type).
    pub(super) entries: Vec<(&'static str, char)>,
    /// Keeps a socket among the files.
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixListener>,
}

impl World {
    /// A folder with `notes.txt` in it, and these parts.
    pub(super) fn with(parts: &[Part]) -> Result<Self, Finding> {
        Self::made(parts)
            .map_err(|error| Finding::of_machine("no test folder", &error))
    }

    fn made(parts: &[Part]) -> io::Result<Self> {
        let mut world = Self {
            root: TempDir::new()?,
            entries: Vec::new(),
            #[cfg(unix)]
            socket: None,
        };
        fs::create_dir(world.path())?;
        let (notes, content, _) = NOTES;
        world.add(notes, content, '0')?;
        for part in parts {
            part(&mut world)?;
        }
        Ok(world)
    }

    /// Adds a file, which the menu has to show.
    fn add(
        &mut self,
        name: &'static str,
        content: impl AsRef<[u8]>,
        kind: char,
    ) -> io::Result<()> {
        fs::write(self.path().join(name), content)?;
        self.entries.push((name, kind));
        Ok(())
    }

    /// Texts, short and long.
    pub(super) fn texts(&mut self) -> io::Result<()> {
        for (name, content, _) in TEXTS {
            self.add(name, content, '0')?;
        }
        self.add("long.txt", long_text(), '0')
    }

    /// Files that are no texts.
    pub(super) fn others(&mut self) -> io::Result<()> {
        others().iter().try_for_each(|(name, bytes)| self.add(name, bytes, '9'))
    }

    /// A large file in a folder of its own: the other menus need not look at
    /// so much.
    pub(super) fn large(&mut self) -> io::Result<()> {
        fs::create_dir(self.path().join("large"))?;
        fs::write(self.path().join("large/large.bin"), large())
    }

    /// Files with odd names, as far as this system allows them.
    pub(super) fn add_odd(&mut self) {
        for name in ODD {
            let _ = self.add(name, name, '0');
        }
    }

    /// The names of the odd files.
    pub(super) fn odd_names(&self) -> Vec<&'static str> {
        let names = self.entries.iter().map(|(name, _)| *name);
        names.filter(|name| ODD.contains(name)).collect()
    }

    /// A file that will go.
    pub(super) fn short_lived(&mut self) -> io::Result<()> {
        self.add(SHORT_LIVED, SHORT_LIVED, '0')
    }

    /// Folders, with files and folders in them.
    pub(super) fn folders(&mut self) -> io::Result<()> {
        let shown = self.path();
        fs::create_dir_all(shown.join("sub/deeper/two words"))?;
        fs::create_dir(shown.join("empty"))?;
        fs::write(shown.join("sub/inner.txt"), "inside\n")?;
        // A name that there is twice.
        fs::write(shown.join("sub/notes.txt"), "of sub\n")?;
        fs::write(shown.join("sub/deeper/leaf.txt"), "at the end\n")?;
        self.entries.extend([("sub", '1'), ("empty", '1')]);
        Ok(())
    }

    /// Files beside the folder.
    pub(super) fn secrets(&mut self) -> io::Result<()> {
        let root = self.root.path();
        fs::write(root.join(NEIGHBOUR), SECRET)?;
        fs::create_dir(root.join("pub-private"))?;
        fs::write(root.join("pub-private/diary.txt"), SECRET)
    }

    /// Symbolic links, where there are some: to secrets, to what is in
    /// `folders`, and to nothing.
    pub(super) fn links(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            let (root, shown) = (self.root.path(), self.path());
            symlink(root.join(NEIGHBOUR), shown.join("link.txt"))?;
            symlink("../pub-private", shown.join("linked"))?;
            symlink("linked/diary.txt", shown.join("chain.txt"))?;
            symlink("sub", shown.join("inner"))?;
            symlink(NOTES.0, shown.join("inside.txt"))?;
            symlink("nowhere", shown.join("dead"))?;
            symlink("loop", shown.join("loop"))?;
            symlink("..", shown.join("sub/back"))?;
        }
        Ok(())
    }

    /// A link to the folder: one more name of it.
    pub(super) fn other_way(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        std::os::unix::fs::symlink("pub", self.above().join("way"))?;
        Ok(())
    }

    /// Files with names that no menu can show, where there are such names.
    pub(super) fn add_unshown(&self) {
        for name in UNSHOWN {
            let _ = fs::write(self.path().join(name), name);
        }
    }

    /// A folder with a name in it that is not UTF-8, and one that is.
    pub(super) fn not_utf8(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::ffi::OsStr;
            use std::os::unix::ffi::OsStrExt;
            let folder = self.path().join("not-utf8");
            fs::create_dir(&folder)?;
            fs::write(folder.join("fine.txt"), "fine\n")?;
            // Not every system has such names.
            let name = OsStr::from_bytes(b"\xff\xfe.txt");
            let _ = fs::write(folder.join(name), "odd\n");
        }
        Ok(())
    }

    /// A pipe that has a name, and a socket: whoever opens the pipe to read
    /// waits for its other end.
    pub(super) fn add_pipes(&mut self) {
        #[cfg(unix)]
        {
            let mut command = std::process::Command::new("mkfifo");
            command.arg(self.path().join("pipe"));
            command.stderr(std::process::Stdio::null());
            let child = crate::ports::without_children(|| command.spawn());
            // A system without this program has none.
            let _ = child.and_then(|mut child| child.wait());
            // Nor has every system such long paths for sockets.
            let path = self.path().join("socket");
            self.socket = std::os::unix::net::UnixListener::bind(path).ok();
        }
    }

    /// Makes folders in folders, with files whose paths have up to as many
    /// bytes as a selector must have room for. Returns the folders' names.
    pub(super) fn go_deep(&self) -> io::Result<Vec<String>> {
        let names: Vec<_> = ["a", "b", "c", "d"]
            .iter()
            .map(|letter| letter.repeat(LONG_NAME))
            .collect();
        let folder = names.iter().fold(self.path(), |at, name| at.join(name));
        fs::create_dir_all(&folder)?;
        let begin = names.len() * (LONG_NAME + 1);
        for length in LONGEST - 10 - begin..=LONGEST - begin {
            fs::write(folder.join("f".repeat(length)), "deep\n")?;
        }
        Ok(names)
    }

    /// Writes a file anew.
    pub(super) fn write(
        &self,
        name: &str,
        content: impl AsRef<[u8]>,
    ) -> Result<(), Finding> {
        fs::write(self.path().join(name), content)
            .map_err(|error| Finding::of_machine("no test file", &error))
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> Result<(), Finding> {
        fs::remove_file(self.path().join(name))
            .map_err(|error| Finding::of_machine("a test file stays", &error))
    }

    /// What lies above the folder that is shown.
    pub(super) fn above(&self) -> &Path {
        self.root.path()
    }

    /// The folder that is shown.
    pub(super) fn path(&self) -> PathBuf {
        self.above().join("pub")
    }

    pub(super) fn dir(&self) -> String {
        self.path().to_string_lossy().into_owned()
    }

    pub(super) fn start<'t>(
        &self,
        trial: &'t Trial,
    ) -> Result<Server<'t>, Finding> {
        self.start_at(trial, Ipv4Addr::LOCALHOST.into())
    }

    pub(super) fn start_at<'t>(
        &self,
        trial: &'t Trial,
        host: IpAddr,
    ) -> Result<Server<'t>, Finding> {
        let (host, dir) = (host.to_string(), self.dir());
        trial.start(&["--host", &host, "--port", "0", "--dir", &dir])
    }

    /// Whether something with this name may stand in the menu as a file.
    pub(super) fn has(&self, name: &str) -> bool {
        let shown = |entry: &(&str, char)| entry.0 == name;
        self.entries.iter().any(shown) || LINKS.contains(&name)
    }
}
