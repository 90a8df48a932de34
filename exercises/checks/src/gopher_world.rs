//! The folder that a Gopher server has to show, and what lies beside it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::finding::Finding;
use crate::trial::{Server, Trial};

/// More than the buffers between two sockets of one machine hold: see tcp(7),
/// `tcp_wmem`.
const LARGE: usize = 8 * 1024 * 1024;

/// The parts of the large file.
const PIECE: usize = 1024;

/// More than programs read at once, mostly.
const LONG: usize = 200 * 1024;

/// What stands in files outside the folder.
pub(crate) const SECRET: &str = "nobody-may-read-this";

/// A file beside the folder: its name must not be listed.
pub(crate) const NEIGHBOUR: &str = "beside-the-folder.txt";

/// The files whose answer is known, as (name, content, answer).
pub(crate) const TEXTS: [(&str, &str, &str); 10] = [
    ("notes.txt", "first\nsecond\n", "first\r\nsecond\r\n.\r\n"),
    (
        "dots.txt",
        ".\n.one\n..two\nno.dot\n",
        "..\r\n..one\r\n...two\r\nno.dot\r\n.\r\n",
    ),
    (
        "no-end.txt",
        "gr\u{fc}\u{df}e\nthe end",
        "gr\u{fc}\u{df}e\r\nthe end\r\n.\r\n",
    ),
    ("windows.txt", "one\r\ntwo\r\n", "one\r\ntwo\r\n.\r\n"),
    ("empty.txt", "", ".\r\n"),
    ("mixed.txt", "a\r\n\nb\n\r\n.\r\n", "a\r\n\r\nb\r\n\r\n..\r\n.\r\n"),
    (
        "breaks.txt",
        "a\rb\u{b}c\u{c}d\u{1c}e\u{85}f\u{2028}g\n",
        "a\rb\u{b}c\u{c}d\u{1c}e\u{85}f\u{2028}g\r\n.\r\n",
    ),
    ("mark.txt", "\u{feff}one\n", "\u{feff}one\r\n.\r\n"),
    ("words.bin", "no picture\n", "no picture\r\n.\r\n"),
    ("remarks", "no ending\n", "no ending\r\n.\r\n"),
];

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
const LONG_NAME: usize = 190;

/// How many bytes the longest selector has that has to be answered.
pub(crate) const LONGEST: usize = 1000;

/// A folder to show, and things beside it that are not shown.
pub(crate) struct World {
    pub(crate) root: TempDir,
    /// The odd names that this system allows.
    pub(crate) odd: Vec<&'static str>,
    /// Keeps a socket among the files.
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixListener>,
}

impl World {
    pub(crate) fn new() -> Result<Self, Finding> {
        let made = TempDir::new().and_then(|root| {
            let mut world = Self {
                root,
                odd: Vec::new(),
                #[cfg(unix)]
                socket: None,
            };
            world.fill()?;
            Ok(world)
        });
        made.map_err(|error| Finding::of_machine("no test folder", &error))
    }

    /// The same, with a large file in a folder of its own: the other menus
    /// need not look at so much.
    pub(crate) fn with_large() -> Result<Self, Finding> {
        let world = Self::new()?;
        let folder = world.path().join("large");
        fs::create_dir(folder)
            .map_err(|error| Finding::of_machine("no test folder", &error))?;
        world.write("large/large.bin", large())?;
        Ok(world)
    }

    /// The same, with a pipe that has a name: whoever opens it to read waits
    /// for its other end.
    pub(crate) fn with_pipe() -> Result<Self, Finding> {
        let world = Self::new()?;
        #[cfg(unix)]
        {
            let mut command = std::process::Command::new("mkfifo");
            command.arg(world.path().join("pipe"));
            command.stderr(std::process::Stdio::null());
            let child = crate::ports::without_children(|| command.spawn());
            // A system without this program has none.
            let _ = child.and_then(|mut child| child.wait());
        }
        Ok(world)
    }

    /// Writes a file anew.
    pub(crate) fn write(
        &self,
        name: &str,
        content: impl AsRef<[u8]>,
    ) -> Result<(), Finding> {
        fs::write(self.path().join(name), content)
            .map_err(|error| Finding::of_machine("no test file", &error))
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Finding> {
        fs::remove_file(self.path().join(name))
            .map_err(|error| Finding::of_machine("a test file stays", &error))
    }

    fn fill(&mut self) -> io::Result<()> {
        let (root, shown) = (self.root.path(), self.path());
        fs::create_dir_all(shown.join("sub/deeper/two words"))?;
        fs::create_dir(shown.join("empty"))?;
        for (name, content, _) in TEXTS {
            fs::write(shown.join(name), content)?;
        }
        fs::write(shown.join("long.txt"), long_text())?;
        for (name, content) in others() {
            fs::write(shown.join(name), content)?;
        }
        fs::write(shown.join("sub/inner.txt"), "inside\n")?;
        // A name that there is twice.
        fs::write(shown.join("sub/notes.txt"), "of sub\n")?;
        fs::write(shown.join("sub/deeper/leaf.txt"), "at the end\n")?;
        fs::write(root.join(NEIGHBOUR), SECRET)?;
        fs::create_dir(root.join("pub-private"))?;
        fs::write(root.join("pub-private/diary.txt"), SECRET)?;
        let written = |name: &&str| fs::write(shown.join(name), name).is_ok();
        self.odd = ODD.into_iter().filter(written).collect();
        #[cfg(unix)]
        self.fill_on_unix()?;
        Ok(())
    }

    #[cfg(unix)]
    fn fill_on_unix(&mut self) -> io::Result<()> {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;
        let (root, shown) = (self.root.path(), self.path());
        symlink(root.join(NEIGHBOUR), shown.join("link.txt"))?;
        symlink("../pub-private", shown.join("linked"))?;
        symlink("linked/diary.txt", shown.join("chain.txt"))?;
        symlink("sub", shown.join("inner"))?;
        symlink("notes.txt", shown.join("inside.txt"))?;
        symlink("nowhere", shown.join("dead"))?;
        symlink("loop", shown.join("loop"))?;
        symlink("..", shown.join("sub/back"))?;
        symlink("pub", root.join("way"))?;
        for name in UNSHOWN {
            let _ = fs::write(shown.join(name), name);
        }
        fs::create_dir(shown.join("not-utf8"))?;
        fs::write(shown.join("not-utf8/fine.txt"), "fine\n")?;
        // Not every system has such names.
        let name = OsStr::from_bytes(b"not-utf8/\xff\xfe.txt");
        let _ = fs::write(shown.join(name), "odd\n");
        // Nor such long paths for sockets.
        self.socket = UnixListener::bind(shown.join("socket")).ok();
        Ok(())
    }

    /// Makes folders in folders, with files whose paths have up to as many
    /// bytes as a selector must have room for. Returns the folders' names.
    pub(crate) fn go_deep(&self) -> io::Result<Vec<String>> {
        let names: Vec<_> = ["a", "b", "c", "d", "e"]
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

    /// The folder that is shown.
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.root.path().join("pub")
    }

    pub(crate) fn dir(&self) -> String {
        self.path().to_string_lossy().into_owned()
    }

    pub(crate) fn start<'t>(
        &self,
        trial: &'t Trial,
    ) -> Result<Server<'t>, Finding> {
        self.start_at(trial, "127.0.0.1")
    }

    pub(crate) fn start_at<'t>(
        &self,
        trial: &'t Trial,
        host: &str,
    ) -> Result<Server<'t>, Finding> {
        trial.start(&["--host", host, "--port", "0", "--dir", &self.dir()])
    }

    /// What the menu has to show, as (name, type).
    pub(crate) fn entries(&self) -> Vec<(&'static str, char)> {
        let mut entries: Vec<_> =
            TEXTS.iter().map(|(name, ..)| (*name, '0')).collect();
        entries.push(("long.txt", '0'));
        entries.extend(others().iter().map(|(name, _)| (*name, '9')));
        entries.extend([("sub", '1'), ("empty", '1')]);
        entries.extend(self.odd.iter().map(|name| (*name, '0')));
        entries
    }

    /// Whether something with this name may stand in the menu as a file.
    pub(crate) fn has(&self, name: &str) -> bool {
        let shown = |entry: &(&str, char)| entry.0 == name;
        self.entries().iter().any(shown) || LINKS.contains(&name)
    }
}

/// Files that are no texts.
pub(crate) fn others() -> &'static [(&'static str, Vec<u8>)] {
    static FILES: LazyLock<Vec<(&'static str, Vec<u8>)>> =
        LazyLock::new(|| {
            let words = |end: &[u8]| [long_text().as_bytes(), end].concat();
            vec![
                ("blob.bin", blob()),
                ("picture.txt", b"\x89PNG\r\n\x1a\n\xff\xd8".to_vec()),
                ("latin-1.txt", b"gr\xfc\xdfe\n.dot\r\n".to_vec()),
                ("zero.txt", b"one\0two\n".to_vec()),
                ("late-zero.txt", words(b"zero\0\n.\n")),
                ("late-byte.txt", words(b"\xff\n.\n")),
                ("cut.txt", b"half a letter: \xe2\x82".to_vec()),
            ]
        });
    &FILES
}

/// Bytes that are no text, and look like the end of one in the middle.
fn blob() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend_from_slice(b"\r\n.\r\n.dot\n\n");
    bytes.extend((0..=255).rev());
    bytes
}

/// A long text: wherever it is cut, it is in a letter, at a dot, or at a
/// line's end, in one copy or another.
pub(crate) fn long_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let dots = ".".repeat(20 * 1024) + "\n";
        let letters = "\u{20ac}".repeat(20 * 1024) + "\n";
        let mut text = format!("x{letters}{dots}");
        while text.len() < LONG {
            text += ".\n\r\n..\u{fc}\n\u{1f600}\r\nplain\n";
        }
        text
    });
    &TEXT
}

/// How the long text is sent.
pub(crate) fn long_answer() -> String {
    let mut answer = String::new();
    for line in long_text().split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let dot = if line.starts_with('.') { "." } else { "" };
        answer.extend([dot, line, "\r\n"]);
    }
    answer + ".\r\n"
}

/// Large, and different everywhere.
pub(crate) fn large() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bytes = Vec::with_capacity(LARGE);
        while bytes.len() < LARGE {
            let number = bytes.len().to_string();
            // Each piece begins with its number, and with no text.
            let end = bytes.len() + PIECE;
            bytes.extend([0, 0xff, b'.']);
            bytes.extend(number.into_bytes());
            bytes.resize(end, b' ');
        }
        bytes
    });
    &BYTES
}

/// Paths that lead outside, or would if they were trusted.
pub(crate) fn forbidden(root: &Path) -> Vec<String> {
    let absolute = |name: &str| root.join(name).to_string_lossy().into_owned();
    vec![
        format!("../{NEIGHBOUR}"),
        format!("/../{NEIGHBOUR}"),
        format!("sub/../../{NEIGHBOUR}"),
        format!("sub/deeper/../../../{NEIGHBOUR}"),
        format!("..\\{NEIGHBOUR}"),
        format!("....//{NEIGHBOUR}"),
        format!("%2e%2e/{NEIGHBOUR}"),
        format!("..%2f{NEIGHBOUR}"),
        "..".to_owned(),
        "../".to_owned(),
        "sub/../..".to_owned(),
        absolute(NEIGHBOUR),
        format!("/{}", absolute(NEIGHBOUR)),
        absolute(""),
        "../pub-private/".to_owned(),
        "../pub-private/diary.txt".to_owned(),
        absolute("pub-private"),
        "link.txt".to_owned(),
        "linked".to_owned(),
        "linked/".to_owned(),
        "chain.txt".to_owned(),
        "linked/diary.txt".to_owned(),
        format!("linked/../{NEIGHBOUR}"),
    ]
}
