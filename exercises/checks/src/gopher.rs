//! ex05: Gopher, RFC 1436.

use std::fs;
use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use harness::Deadline;
use tempfile::TempDir;

use crate::client::{BROKEN, Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::ladder::{Exercise, Rung};
use crate::start;
use crate::trial::{ANSWER_TIME, Server, Trial};

/// A Gopher server.
pub static GOPHER: Exercise = Exercise {
    name: "ex05",
    folder: "05_gopher",
    title: "a Gopher server",
    rungs: &[
        Rung { name: "it starts", try_it: it_starts },
        Rung { name: "the menu", try_it: menu },
        Rung { name: "texts", try_it: texts },
        Rung { name: "other files, byte for byte", try_it: binaries },
        Rung { name: "folders in folders", try_it: folders },
        Rung { name: "nothing outside the folder", try_it: outside },
        Rung { name: "many at once", try_it: many_at_once },
        Rung { name: "a bad client harms nobody", try_it: bad_clients },
    ],
};

/// More than the buffers between two sockets of one machine hold: see tcp(7),
/// `tcp_wmem`.
const LARGE: usize = 8 * 1024 * 1024;

/// How many clients are silent while another one asks.
const SILENT: usize = 20;

/// A silence for which nobody is let go.
const SILENCE: Duration = Duration::from_secs(1);

/// What stands in files outside the folder.
const SECRET: &str = "nobody-may-read-this";

/// A file beside the folder: its name must not be listed.
const NEIGHBOUR: &str = "beside-the-folder.txt";

/// The files whose answer is known, as (name, content, answer).
const TEXTS: [(&str, &str, &str); 5] = [
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
];

/// A folder to show, and things beside it that are not shown.
struct World {
    root: TempDir,
}

/// One line of a menu.
#[derive(Clone, Debug)]
struct Item {
    kind: char,
    name: String,
    selector: String,
    host: String,
    port: String,
}

impl World {
    fn new() -> Result<Self, Finding> {
        let made = TempDir::new().and_then(|root| {
            let world = Self { root };
            world.fill()?;
            Ok(world)
        });
        made.map_err(|error| Finding::of_machine("no test folder", &error))
    }

    fn fill(&self) -> io::Result<()> {
        let (root, shown) = (self.root.path(), self.root.path().join("pub"));
        fs::create_dir_all(shown.join("sub/deeper"))?;
        for (name, content, _) in TEXTS {
            fs::write(shown.join(name), content)?;
        }
        fs::write(shown.join("two words.txt"), "with a space\n")?;
        fs::write(shown.join("blob.bin"), blob())?;
        fs::write(shown.join("sub/inner.txt"), "inside\n")?;
        fs::write(shown.join("sub/deeper/leaf.txt"), "at the end\n")?;
        fs::write(root.join(NEIGHBOUR), SECRET)?;
        fs::create_dir(root.join("pub-private"))?;
        fs::write(root.join("pub-private/diary.txt"), SECRET)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink(root.join(NEIGHBOUR), shown.join("link.txt"))?;
            symlink("../pub-private", shown.join("linked"))?;
        }
        Ok(())
    }

    /// A folder with a large file in it.
    fn with_large() -> Result<Self, Finding> {
        let world = Self::new()?;
        fs::write(world.root.path().join("pub/large.bin"), large())
            .map_err(|error| Finding::of_machine("no test file", &error))?;
        Ok(world)
    }

    fn dir(&self) -> String {
        self.root.path().join("pub").to_string_lossy().into_owned()
    }

    fn start<'t>(&self, trial: &'t Trial) -> Result<Server<'t>, Finding> {
        trial.start(&["--port", "0", "--dir", &self.dir()])
    }
}

/// Bytes that are no text, and look like the end of one in the middle.
fn blob() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend_from_slice(b"\r\n.\r\n.dot\n\n");
    bytes.extend((0..=255).rev());
    bytes
}

/// Large, and different everywhere.
fn large() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        // Each piece begins with its number, and with bytes that are no text.
        let piece = |nth: usize| format!("{nth:<1021}").into_bytes();
        let pieces = (0..LARGE / 1024).map(piece);
        pieces
            .flat_map(|piece| [&[0, 0xff, b'.'], &piece[..]].concat())
            .collect()
    });
    &BYTES
}

fn soon() -> Deadline {
    Deadline::after(ANSWER_TIME)
}

/// Asks for a selector, and returns the answer: all up to the end.
fn fetch(
    server: &Server<'_>,
    name: &str,
    selector: impl AsRef<[u8]>,
) -> Result<Vec<u8>, Finding> {
    let mut client = server.connect(name)?;
    client.send([selector.as_ref(), b"\r\n"].concat())?;
    answer(&mut client)
}

fn answer(client: &mut Client<'_>) -> Result<Vec<u8>, Finding> {
    let (bytes, end) = client.hear_out(soon());
    if end == ReadEnd::End {
        return Ok(bytes);
    }
    let means = match (end, bytes.is_empty()) {
        (ReadEnd::Silence, true) => {
            "the server is busy with another client, or waits for more than \
             the selector and its \\r\\n."
        }
        (ReadEnd::Silence, false) => {
            "the connection was not closed. In Gopher the end of the \
             connection ends the answer."
        }
        _ => {
            "the server ended, or closed the connection without reading the \
             selector: unread bytes turn the close into a reset. Read up to \
             the line feed, then answer."
        }
    };
    let came = format!("{}, then {end}", quoted(&bytes));
    Err(Finding::new(came, "an answer, then the end of the connection", means))
}

/// Asks for a menu and takes it apart.
fn fetch_menu(
    server: &Server<'_>,
    selector: &str,
) -> Result<Vec<Item>, Finding> {
    let bytes = fetch(server, "A", selector)?;
    let bad =
        |what: String, means: &str| Finding::new(quoted(&bytes), what, means);
    let Some(lines) = bytes.strip_suffix(b".\r\n") else {
        return Err(bad(
            "a menu that ends with a line with a dot alone, \".\\r\\n\"".into(),
            "the last line is missing, or ends with \\n alone.",
        ));
    };
    let text = String::from_utf8_lossy(lines).into_owned();
    let mut items = Vec::new();
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix("\r\n") else {
            return Err(bad(
                "lines that end with \\r\\n".into(),
                "a line ends with \\n alone: writeln! and println! do that.",
            ));
        };
        let Some(item) = item(line) else {
            return Err(bad(
                format!("four fields with tabs between them, not {line:?}"),
                "TYPE and NAME are one field; then come SELECTOR, HOST and \
                 PORT, each after one tab.",
            ));
        };
        // Type i, "information", came later, and is no entry.
        if item.kind != 'i' {
            items.push(item);
        }
    }
    Ok(items)
}

fn item(line: &str) -> Option<Item> {
    let mut fields = line.split('\t');
    let mut first = fields.next()?.chars();
    let (kind, name) = (first.next()?, first.as_str());
    let mut field = || fields.next().map(ToOwned::to_owned);
    Some(Item {
        kind,
        name: name.trim_end_matches('/').to_owned(),
        selector: field()?,
        host: field()?,
        port: field()?,
    })
}

/// The entry with this name.
fn find(items: &[Item], name: &str) -> Result<Item, Finding> {
    let found = items.iter().find(|item| item.name == name);
    found.cloned().ok_or_else(|| {
        let names = items.iter().map(|item| format!("{:?}", item.name));
        let means = if items.iter().any(|item| item.kind == '3') {
            "a selector that must be known was answered with an error."
        } else {
            "the folder is not read in full, or NAME is not the file's name. \
             It stands directly behind TYPE, without a space or a tab."
        };
        Finding::new(
            format!("a menu with {}", names.collect::<Vec<_>>().join(", ")),
            format!("an entry with the name {name:?}"),
            means,
        )
    })
}

fn it_starts(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    start::it_starts(trial, &["--dir", &world.dir()])
}

fn menu(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    let expected = [
        ("notes.txt", '0'),
        ("dots.txt", '0'),
        ("two words.txt", '0'),
        ("sub", '1'),
        ("blob.bin", '9'),
    ];
    for (name, kind) in expected {
        let item = find(&items, name)?;
        if item.kind != kind {
            return Err(Finding::new(
                format!("type {} for {name}", item.kind),
                format!("type {kind} for {name}"),
                "0 is a text, 1 a folder, 9 any other file. Whether bytes \
                 are UTF-8 tells a text from other files.",
            ));
        }
        leads_here(&item, &server)?;
    }
    Ok(())
}

fn leads_here(item: &Item, server: &Server<'_>) -> Result<(), Finding> {
    let place = format!("{}:{}", item.host, item.port);
    let mut addresses = place.to_socket_addrs().into_iter().flatten();
    if addresses.any(|address| address == server.address) {
        return Ok(());
    }
    Err(Finding::new(
        format!("HOST and PORT of {}: {place}", item.name),
        format!("HOST and PORT: {}", server.address),
        "a client goes where the menu says. HOST is the address alone, and \
         PORT the port that is really bound, with --port 0 too.",
    ))
}

fn texts(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    for (name, content, expected) in TEXTS {
        let item = find(&items, name)?;
        trial.note(format!("{name} has {}", quoted(content.as_bytes())));
        let came = fetch(&server, "A", &item.selector)?;
        compare_text(content, &came, expected)?;
    }

    let mut client = server.connect("B")?;
    let selector = find(&items, "notes.txt")?.selector;
    let pause = Duration::from_millis(10);
    let means = "one read was taken for the whole selector. It may come in \
                 pieces: read up to the line feed.";
    client
        .send_in_bytes(format!("{selector}\r\n"), pause)
        .and_then(|()| answer(&mut client))
        .and_then(|came| compare_text(TEXTS[0].1, &came, TEXTS[0].2))
        .map_err(|finding| finding.meaning(means))
}

fn compare_text(
    content: &str,
    came: &[u8],
    expected: &str,
) -> Result<(), Finding> {
    if came == expected.as_bytes() {
        return Ok(());
    }
    let means = if came.is_empty() && !content.is_empty() {
        "nothing was sent for a selector of your own menu. Does the path lead \
         to the file? Path::join with a path that begins with / forgets the \
         folder."
    } else if came.starts_with(b"3") {
        "your own menu gave this selector, and the server does not know it."
    } else if came == content.as_bytes() {
        "the file was sent as it is. A text is sent line by line, each ended \
         with \\r\\n, and after the last comes \".\\r\\n\"."
    } else if content.is_empty() {
        "an empty file is a text without lines: its answer is the dot alone."
    } else if !came.ends_with(b".\r\n") {
        "the last line, \".\\r\\n\", is missing, or ends with \\n alone."
    } else if content.contains('.') {
        "dot-stuffing: every line that begins with a dot gets one more. A \
         reader would take a line with a dot alone for the end."
    } else {
        "each line ends with \\r\\n, whatever its end in the file, and the \
         last one too; then comes \".\\r\\n\"."
    };
    Err(Finding::new(
        quoted(came),
        format!(
            "{}\nfor {}",
            quoted(expected.as_bytes()),
            quoted(content.as_bytes())
        ),
        means,
    ))
}

fn binaries(trial: &Trial) -> Result<(), Finding> {
    let world = World::with_large()?;
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    for (name, content) in [("blob.bin", &blob()[..]), ("large.bin", large())] {
        let selector = find(&items, name)?.selector;
        let came = fetch(&server, "A", selector)?;
        compare_bytes(content, &came)?;
    }
    Ok(())
}

fn compare_bytes(content: &[u8], came: &[u8]) -> Result<(), Finding> {
    if came == content {
        return Ok(());
    }
    let equal = content.iter().zip(came).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let from = equal.saturating_sub(8);
        quoted(&bytes[from.min(bytes.len())..(equal + 16).min(bytes.len())])
    };
    let means = if came.starts_with(b"3") {
        "your own menu gave this selector, and the server does not know it, \
         or cannot read the file: not every file is UTF-8."
    } else if came.len() < content.len() && equal == came.len() {
        "only a part was sent: one read, or one write, is not the whole file."
    } else if equal == content.len() {
        "something was sent after the file. A file that is no text has no \
         dot at its end: the connection's end is its end."
    } else {
        "the bytes were taken for text: dots, line ends and bytes that are \
         not UTF-8 must stay as they are."
    };
    Err(Finding::new(
        format!(
            "{} bytes; the first {equal} are right, there: {}",
            came.len(),
            around(came)
        ),
        format!("{} bytes; there: {}", content.len(), around(content)),
        means,
    ))
}

fn folders(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    let server = world.start(trial)?;
    let top = fetch_menu(&server, "")?;
    let selector = find(&top, "two words.txt")?.selector;
    let came = fetch(&server, "A", selector)?;
    compare_text("with a space\n", &came, "with a space\r\n.\r\n")?;

    let sub = fetch_menu(&server, &find(&top, "sub")?.selector)?;
    let selector = find(&sub, "inner.txt")?.selector;
    let came = fetch(&server, "A", selector)?;
    compare_text("inside\n", &came, "inside\r\n.\r\n")?;

    let deeper = find(&sub, "deeper")?;
    leads_here(&deeper, &server)?;
    let deeper = fetch_menu(&server, &deeper.selector)?;
    let selector = find(&deeper, "leaf.txt")?.selector;
    let came = fetch(&server, "A", selector)?;
    compare_text("at the end\n", &came, "at the end\r\n.\r\n")?;

    // The same folder by another name, as "." would be one.
    let dir = format!("{}/sub/..", world.dir());
    let server = trial.start(&["--port", "0", "--dir", &dir])?;
    let means = "the folder may be given in any form, such as \".\". Both \
                 paths have to be canonical before they are compared.";
    fetch_menu(&server, "")
        .and_then(|items| find(&items, "notes.txt"))
        .and_then(|item| fetch(&server, "A", item.selector))
        .and_then(|came| compare_text(TEXTS[0].1, &came, TEXTS[0].2))
        .map_err(|finding| finding.meaning(means))
}

fn outside(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    let server = world.start(trial)?;
    let missing = fetch(&server, "A", "there-is-no-such-file.txt")?;
    if !missing.starts_with(b"3") {
        return Err(Finding::new(
            quoted(&missing),
            "\"3not found\\t\\terror.host\\t1\\r\\n.\\r\\n\", in your words",
            "what is not there is answered with an item of type 3. A file \
             that cannot be opened is no reason to panic, or to close \
             without an answer.",
        ));
    }
    let menu = fetch_menu(&server, "").map_err(|finding| {
        finding.harm("asking for what is not there has ended the program.")
    })?;
    let known = find(&menu, "notes.txt")?.selector;
    for path in forbidden(world.root.path()) {
        // As it is, and in the form that this server's selectors have.
        let mut selectors = vec![path.clone()];
        let same_form = known.replace("notes.txt", &path);
        if ![&path, &known].contains(&&same_form) {
            selectors.push(same_form);
        }
        let mut clients = Vec::new();
        for selector in selectors {
            let mut client = server.connect("A")?;
            client.send(format!("{selector}\r\n"))?;
            clients.push((client, selector));
        }
        for (client, selector) in clients {
            refuses(client, &selector, &path)?;
        }
    }
    fetch_menu(&server, "").map(drop)
}

/// The answer to a forbidden selector shows nothing. It may be an error; a
/// server may also just hang up.
fn refuses(
    mut client: Client<'_>,
    selector: &str,
    path: &str,
) -> Result<(), Finding> {
    let (bytes, end) = client.hear_out(soon());
    let text = String::from_utf8_lossy(&bytes);
    // An error may repeat what was asked for.
    let named = text.contains(NEIGHBOUR) && !selector.contains(NEIGHBOUR);
    let listed = text.contains("diary.txt") && !selector.contains("diary.txt");
    if text.contains(SECRET) || listed || named {
        return Err(leak(&bytes, path));
    }
    if end == ReadEnd::Silence {
        return Err(Finding::new(
            format!("{}, then {end}", quoted(&bytes)),
            format!("an error for {selector:?}, then the end"),
            "what is refused is answered, too: the client waits.",
        ));
    }
    Ok(())
}

/// Paths that lead outside, or would if they were trusted.
fn forbidden(root: &Path) -> Vec<String> {
    let absolute = |name: &str| root.join(name).to_string_lossy().into_owned();
    vec![
        format!("../{NEIGHBOUR}"),
        format!("/../{NEIGHBOUR}"),
        format!("sub/../../{NEIGHBOUR}"),
        format!("sub/deeper/../../../{NEIGHBOUR}"),
        format!("..\\{NEIGHBOUR}"),
        "..".to_owned(),
        "../".to_owned(),
        format!("%2e%2e/{NEIGHBOUR}"),
        "sub/../..".to_owned(),
        absolute(NEIGHBOUR),
        absolute(""),
        "../pub-private/".to_owned(),
        format!("..{}diary.txt", "/pub-private/"),
        absolute("pub-private"),
        "link.txt".to_owned(),
        "linked".to_owned(),
        "linked/".to_owned(),
        format!("linked/../{NEIGHBOUR}"),
        "linked/diary.txt".to_owned(),
    ]
}

fn leak(bytes: &[u8], path: &str) -> Finding {
    let means = if path.starts_with("link") {
        "a symbolic link in the folder leads outside, and was followed. \
         fs::canonicalize says where a path really leads."
    } else if path.contains("pub-private") {
        "paths were compared as strings: \"/x/pub-private\" begins with \
         \"/x/pub\". Path::starts_with compares whole names."
    } else if path.starts_with("..") || path.contains("/..") {
        "the selector was joined to the folder as it is. Each .. leads one \
         folder up."
    } else {
        "an absolute path replaces what it is joined to: that is how \
         Path::join works."
    };
    Finding::new(
        quoted(bytes),
        format!("an error, or nothing, for {path}"),
        means,
    )
}

fn many_at_once(trial: &Trial) -> Result<(), Finding> {
    let world = World::with_large()?;
    let server = world.start(trial)?;
    let menu = fetch_menu(&server, "")?;
    let large = find(&menu, "large.bin")?.selector;
    let blob = find(&menu, "blob.bin")?.selector;
    let mut silent = server.silent_clients(SILENT)?;
    let means = "the server talks to one client at a time, or to a few: it \
                 waits for those who are silent, or do not read. Each needs a \
                 thread of their own.";
    let busy = |finding: Finding| finding.meaning(means);
    fetch(&server, "A", "").map_err(busy)?;

    let mut slow = server.connect_with_little_room("S")?;
    slow.send(format!("{large}\r\n"))?;
    // Once it has begun, the server is in the middle of sending.
    slow.wait_for_bytes();
    trial.note("S does not read the answer");
    fetch(&server, "B", "").map_err(busy)?;
    fetch(&server, "C", &blob).map_err(busy)?;
    thread::sleep(SILENCE);

    if let Some(first) = silent.first_mut() {
        let means = "a client who was silent for a moment was given up.";
        first.send("\r\n")?;
        answer(first).map_err(|finding| finding.meaning(means))?;
    }
    // Not before: it breaks the connection off, which is the next rung's.
    drop(slow);
    Ok(())
}

fn bad_clients(trial: &Trial) -> Result<(), Finding> {
    let world = World::with_large()?;
    let server = world.start(trial)?;
    let large = find(&fetch_menu(&server, "")?, "large.bin")?.selector;
    let harmed = |finding: Finding| {
        finding.harm(
            "one client's trouble has ended the program or its loop: unwrap \
             or ? where a client may be gone, or asks for nonsense.",
        )
    };
    let endless = misbehave(&server, &large).map_err(harmed)?;
    fetch_menu(&server, "").map_err(harmed)?;
    drop(endless);
    Ok(())
}

/// Nonsense, breaks, and a selector without an end, whose client stays.
fn misbehave<'t>(
    server: &'t Server<'_>,
    large: &str,
) -> Result<Client<'t>, Finding> {
    for bytes in [&b"a\0b\r\n"[..], b"\xff\xfe\r\n", b"\t\r\n", b"\n"] {
        let mut bad = server.connect("a bad client")?;
        bad.send(bytes)?;
        // An answer, or none: then the server is done with it.
        let _ = bad.hear_out(Deadline::after(Duration::from_secs(1)));
    }
    let mut half = server.connect("a bad client")?;
    half.send("half a selec")?;
    half.leave();
    server.broken_clients(BROKEN)?;
    for _ in 0..10 {
        let mut bad = server.connect("a bad client")?;
        bad.send(format!("{large}\r\n"))?;
        bad.reset();
    }
    let mut endless = server.connect("an endless client")?;
    endless.flood(1024 * 1024);
    Ok(endless)
}
