//! ex05: Gopher, RFC 1436.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv6Addr, TcpListener, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use harness::Deadline;

use crate::client::{BROKEN, Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::gopher_world::{
    LONGEST, NEIGHBOUR, SECRET, TEXTS, World, forbidden, large, long_answer,
    long_text, others,
};
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

/// The other address that a machine has for itself.
const IPV6: &str = "::1";

/// How many clients a server has room for, at least.
const ROOM: usize = 50;

/// How many of them are silent: three are slow, and one asks.
const SILENT: usize = ROOM - 4;

/// How many clients ask at the same time, and how often in a row: together
/// more than a byte can count.
const CROWD: usize = 40;
const CROWDS: usize = 8;

/// A silence for which nobody is let go.
const SILENCE: Duration = Duration::from_secs(2);

/// How long we wait before we ask again where there may be no room yet.
const PAUSE: Duration = Duration::from_millis(50);

/// How much is sent without a line end, and how much of that a server may
/// keep: its limit is its own, and its buffers are.
const ENDLESS: usize = 64 * 1024 * 1024;
const KEPT: usize = ENDLESS / 2;

/// How many of the names in the current folder are looked for.
const NAMES: usize = 20;

/// One line of a menu.
#[derive(Clone, Debug)]
struct Item {
    kind: char,
    name: String,
    selector: String,
    host: String,
    port: String,
}

impl Item {
    /// Whether it is a text, a folder or another file.
    fn is_entry(&self) -> bool {
        "019".contains(self.kind)
    }
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
    answer(&mut asks(server, name, selector)?)
}

/// A client who has asked for a selector.
fn asks<'s>(
    server: &'s Server<'_>,
    name: &str,
    selector: impl AsRef<[u8]>,
) -> Result<Client<'s>, Finding> {
    let mut client = server.connect(name)?;
    client.send([selector.as_ref(), b"\r\n"].concat())?;
    Ok(client)
}

/// Asks for several selectors, each by a client of its own, at the same time.
fn fetch_all(
    server: &Server<'_>,
    selectors: &[String],
) -> Result<Vec<Vec<u8>>, Finding> {
    let ask = |selector: &String| asks(server, "A", selector);
    let clients: Result<Vec<_>, _> = selectors.iter().map(ask).collect();
    clients?.iter_mut().map(answer).collect()
}

/// Asks until the answer is right, for a few seconds: there may be no room
/// until the server has seen that others are gone.
fn ask_again<T>(
    server: &Server<'_>,
    name: &str,
    selector: &str,
    judge: impl Fn(&[u8]) -> Result<T, Finding>,
) -> Result<T, Finding> {
    let until = soon();
    loop {
        let came = fetch(server, name, selector);
        let ended = came.and_then(|came| judge(&came));
        if ended.is_ok() || until.is_over() {
            return ended;
        }
        thread::sleep(PAUSE);
    }
}

fn answer(client: &mut Client<'_>) -> Result<Vec<u8>, Finding> {
    let (bytes, end) = client.hear_out(soon());
    if end == ReadEnd::End {
        return Ok(bytes);
    }
    let means = match (end, bytes.is_empty()) {
        (ReadEnd::Silence, true) => {
            "the server is busy with another client, or waits for more than \
             the selector and its \\r\\n, perhaps for the end of what the \
             client sends."
        }
        (ReadEnd::Silence, false) => {
            "the connection was not closed. In Gopher the end of the \
             connection ends the answer."
        }
        _ => {
            "perhaps the server closed the connection without reading all of \
             the selector: unread bytes turn the close into a reset. Read up \
             to the line feed, then answer."
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
    items(&fetch(server, "A", selector)?)
}

/// The lines of a menu.
fn items(bytes: &[u8]) -> Result<Vec<Item>, Finding> {
    let text = String::from_utf8_lossy(bytes);
    let bad =
        |what: &str, means: &str| Finding::new(quoted(bytes), what, means);
    let broken = ["tab\there", "line\nend", "carriage\rreturn"];
    if let Some(name) = broken.iter().find(|name| text.contains(*name)) {
        let came = format!("a menu with the name {name:?}… in it");
        return Err(Finding::new(came, "a menu without it", UNSHOWN));
    }
    let Some(lines) = text.strip_suffix(".\r\n") else {
        return Err(bad(
            "a menu that ends with a line with a dot alone, \".\\r\\n\"",
            if bytes.is_empty() {
                "the connection was closed without an answer."
            } else {
                "the last line is missing, or ends with \\n alone."
            },
        ));
    };
    lines.split_inclusive('\n').map(|line| menu_line(line, bytes)).collect()
}

/// One line of the menu in `bytes`.
fn menu_line(line: &str, bytes: &[u8]) -> Result<Item, Finding> {
    let bad =
        |what: &str, means: &str| Finding::new(quoted(bytes), what, means);
    let Some(line) = line.strip_suffix("\r\n") else {
        return Err(bad(
            "lines that end with \\r\\n",
            "a line ends with \\n alone: writeln! and println! do that.",
        ));
    };
    item(line).ok_or_else(|| {
        bad(
            &format!("four fields with tabs between them, not {line:?}"),
            "TYPE and NAME are one field; then come SELECTOR, HOST and PORT, \
             each after one tab.",
        )
    })
}

/// What is left out of a menu.
const UNSHOWN: &str = "a name with a tab or a line end in it breaks its line: \
                       such an entry is left out.";

fn item(line: &str) -> Option<Item> {
    let mut fields = line.split('\t');
    let mut first = fields.next()?.chars();
    let (kind, name) = (first.next()?, first.as_str());
    let mut field = || fields.next().map(ToOwned::to_owned);
    let item = Item {
        kind,
        name: name.strip_suffix('/').unwrap_or(name).to_owned(),
        selector: field()?,
        host: field()?,
        port: field()?,
    };
    fields.next().is_none().then_some(item)
}

/// The entry with this name.
fn find(items: &[Item], name: &str) -> Result<Item, Finding> {
    // A remark may look like a name.
    let named = |item: &&Item| item.name == name && item.kind != 'i';
    let found = items.iter().filter(named).min_by_key(|item| !item.is_entry());
    found.cloned().ok_or_else(|| {
        let all = items.iter().map(|item| format!("{:?}", item.name));
        let all = all.collect::<Vec<_>>().join(", ");
        Finding::new(
            format!("a menu with {}", shortened(&all)),
            format!("an entry with the name {name:?}"),
            missing(items, name),
        )
    })
}

fn missing(items: &[Item], name: &str) -> &'static str {
    let has = |other: &str| items.iter().any(|item| item.name == other);
    if items.iter().any(|item| item.kind == '3') {
        "a selector that must be known was answered with an error."
    } else if has(&format!(" {name}")) || has(name.trim()) {
        "NAME is the file's name. It stands directly behind TYPE, and a space \
         at its begin or end is part of it."
    } else if name.starts_with('.') {
        "perhaps names that begin with a dot are left out. All that is in the \
         folder is shown."
    } else if !name.is_ascii() {
        "NAME is the file's name, in UTF-8, with all its letters."
    } else {
        "the folder is not read in full, or NAME is not the file's name. It \
         stands directly behind TYPE, without a space or a tab."
    }
}

/// A long text without its middle.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 300;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text.to_owned(),
    }
}

fn it_starts(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    start::it_starts(trial, &["--dir", &world.dir()])?;
    if !has_ipv6() {
        return Ok(());
    }
    let server = world.start_at(trial, IPV6)?;
    if server.address.ip().to_string() != IPV6 {
        return Err(Finding::new(
            format!("with --host {IPV6}: [LISTENING] {}", server.address),
            format!("[LISTENING] [{IPV6}]:PORT"),
            "the program does not listen where --host says, or prints \
             another address than it has.",
        ));
    }
    server.connect("C").map(drop)
}

/// Whether this machine has IPv6 for itself.
fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn menu(trial: &Trial) -> Result<(), Finding> {
    let world = World::with_pipe()?;
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    shows_all(&world, &server, &items)?;
    shows_no_more(&world, &items)?;
    menu_of_today(&world, &server)?;
    if has_ipv6() {
        let server = world.start_at(trial, IPV6)?;
        let item = find(&fetch_menu(&server, "")?, "notes.txt")?;
        leads_here(&item, &server)?;
    }
    menu_of_here(trial)
}

/// Each entry has one line, and the right one.
fn shows_all(
    world: &World,
    server: &Server<'_>,
    items: &[Item],
) -> Result<(), Finding> {
    for (name, kind) in world.entries() {
        let item = find(items, name)?;
        if item.kind != kind {
            return Err(Finding::new(
                format!("type {} for {name}", item.kind),
                format!("type {kind} for {name}"),
                type_words(name),
            ));
        }
        leads_here(&item, server)?;
        let same = |item: &&Item| item.name == name && item.is_entry();
        let times = items.iter().filter(same).count();
        if times > 1 {
            return Err(Finding::new(
                format!("{times} entries with the name {name:?}"),
                "one line for each entry",
                "there is one file of that name in the folder.",
            ));
        }
    }
    Ok(())
}

fn type_words(name: &str) -> &'static str {
    match name {
        "empty.txt" => "an empty file is a text, without a line.",
        "words.bin" | "remarks" | "picture.txt" | "latin-1.txt" => {
            "perhaps the type was guessed from the name. The bytes decide: a \
             text is UTF-8, without a zero byte."
        }
        "zero.txt" => {
            "there is a zero byte in it. UTF-8 has one, and a text has none."
        }
        "late-zero.txt" | "late-byte.txt" => {
            "it begins like a text, and ends with a byte that no text has. \
             Perhaps only its beginning was looked at: all bytes decide."
        }
        "long.txt" => {
            "it is UTF-8 from its begin to its end. Perhaps it was judged in \
             pieces: a letter may lie across the border of two."
        }
        "cut.txt" => {
            "its last bytes begin a letter that never ends: that is not UTF-8."
        }
        _ => {
            "0 is a text, 1 a folder, 9 any other file. Whether all bytes are \
             UTF-8, and none is zero, tells a text from other files."
        }
    }
}

/// No file stands there that is not, or that cannot be shown.
fn shows_no_more(world: &World, items: &[Item]) -> Result<(), Finding> {
    let files = items.iter().filter(|item| "09".contains(item.kind));
    for item in files {
        if world.has(&item.name) {
            continue;
        }
        let means = match item.name.as_str() {
            "pipe" | "socket" => {
                "that is a pipe with a name, or a socket: neither a file nor \
                 a folder. Path::is_file tells."
            }
            "." | ".." => "the folder itself, and the one above, are no files.",
            _ => UNSHOWN,
        };
        return Err(Finding::new(
            format!("an entry with the name {:?}", item.name),
            "entries for what is in the folder, and can be shown",
            means,
        ));
    }
    Ok(())
}

fn leads_here(item: &Item, server: &Server<'_>) -> Result<(), Finding> {
    let host = item.host.trim_start_matches('[').trim_end_matches(']');
    let port = item.port.parse::<u16>().ok().filter(|port| *port != 0);
    let addresses = port.and_then(|port| (host, port).to_socket_addrs().ok());
    if addresses.into_iter().flatten().any(|it| it == server.address) {
        return Ok(());
    }
    Err(Finding::new(
        format!("HOST and PORT of {}: {}:{}", item.name, item.host, item.port),
        format!("HOST and PORT: {}", server.address),
        "a client goes where the menu says. HOST is the address alone, and \
         PORT the port that is really bound, with --port 0 too.",
    ))
}

/// A menu made anew shows what has come, and not what is gone.
fn menu_of_today(world: &World, server: &Server<'_>) -> Result<(), Finding> {
    let (gone, new) = ("words.bin", "new.txt");
    world.write(new, "new\n")?;
    world.remove(gone)?;
    server.trial.note(format!("{new} comes into the folder, {gone} goes"));
    let items = fetch_menu(server, "")?;
    let means = "perhaps the menu is made once, and kept. The folder may \
                 change: an answer shows what is there when it is asked for.";
    find(&items, new).map_err(|finding| finding.meaning(means))?;
    if find(&items, gone).is_ok() {
        let came = format!("an entry with the name {gone:?}");
        return Err(Finding::new(came, "none: it is gone", means));
    }
    Ok(())
}

/// Without `--dir` the folder in which the program was started is shown. It
/// is ours.
fn menu_of_here(trial: &Trial) -> Result<(), Finding> {
    trial.note("started without --dir");
    let means = "without --dir the folder is the one in which the program \
                 was started: \".\".";
    let before = names_here();
    let server = trial.start(&["--host", "127.0.0.1", "--port", "0"]);
    let server = server.map_err(|finding| finding.meaning(means))?;
    let items = fetch_menu(&server, "");
    let items = items.map_err(|finding| finding.meaning(means))?;
    // Somebody may be at work there.
    let stay: BTreeSet<_> =
        names_here().intersection(&before).cloned().collect();
    for name in stay.iter().take(NAMES) {
        find(&items, name).map_err(|finding| finding.meaning(means))?;
    }
    Ok(())
}

/// The names of files and folders in the current folder.
fn names_here() -> BTreeSet<String> {
    let entries = fs::read_dir(".").into_iter().flatten().flatten();
    let plain = entries.filter(|entry| {
        entry.file_type().is_ok_and(|it| it.is_file() || it.is_dir())
    });
    let names = plain.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !name.contains(['\t', '\r', '\n'])).collect()
}

fn texts(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    let long = long_answer();
    let mut files = TEXTS.to_vec();
    files.push(("long.txt", long_text(), &long));
    let find = |name| find(&items, name).map(|item| item.selector);
    let selectors: Result<Vec<_>, _> =
        files.iter().map(|(name, ..)| find(name)).collect();
    let answers = fetch_all(&server, &selectors?)?;
    for ((name, content, expected), came) in files.iter().zip(answers) {
        compare_text(name, content, &came, expected)?;
    }

    let selector = find("notes.txt")?;
    in_pieces(&server, &selector)?;
    let (content, expected) =
        ("one\ntwo\nmore\n", "one\r\ntwo\r\nmore\r\n.\r\n");
    world.write("notes.txt", content)?;
    trial.note("notes.txt has been written anew, and is longer");
    let came = fetch(&server, "A", &selector)?;
    let means = "perhaps the answer was kept from before. The folder may \
                 change: an answer shows what is there when it is asked for.";
    compare_text("notes.txt", content, &came, expected)
        .map_err(|finding| finding.meaning(means))
}

/// A selector in pieces is answered like one in one piece.
fn in_pieces(server: &Server<'_>, selector: &str) -> Result<(), Finding> {
    let (name, content, expected) = TEXTS[0];
    let pause = Duration::from_millis(40);
    let means = "perhaps one read was taken for the whole selector. It may \
                 come in pieces: read up to the line feed.";
    let mut client = server.connect("B")?;
    client
        .send_in_bytes(format!("{selector}\r\n"), pause)
        .and_then(|()| answer(&mut client))
        .and_then(|came| compare_text(name, content, &came, expected))
        .map_err(|finding| finding.meaning(means))
}

fn compare_text(
    name: &str,
    content: &str,
    came: &[u8],
    expected: &str,
) -> Result<(), Finding> {
    if came == expected.as_bytes() {
        return Ok(());
    }
    let (came_here, expected_here) = difference(came, expected.as_bytes());
    let file = quoted(content.as_bytes());
    Err(Finding::new(
        format!("for {name}: {came_here}"),
        format!("{expected_here}\nfor a file with {file}"),
        text_words(content, came, expected),
    ))
}

/// Both, or where they differ if they are long.
fn difference(came: &[u8], expected: &[u8]) -> (String, String) {
    const SHORT: usize = 100;
    const BEFORE: usize = 12;
    const AFTER: usize = 24;
    if came.len().max(expected.len()) <= SHORT {
        return (quoted(came), quoted(expected));
    }
    let equal = expected.iter().zip(came).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let to = bytes.len().min(equal + AFTER);
        quoted(&bytes[equal.saturating_sub(BEFORE).min(to)..to])
    };
    let text = "bytes; the first";
    let count = came.len();
    (
        format!("{count} {text} {equal} are right, there: {}", around(came)),
        format!("{} bytes; there: {}", expected.len(), around(expected)),
    )
}

/// What a wrong answer to a text usually means.
fn text_words(content: &str, came: &[u8], expected: &str) -> &'static str {
    let text = String::from_utf8_lossy(came);
    if came.is_empty() && !content.is_empty() {
        return "nothing was sent for a selector of your own menu. Does the \
                path lead to the file? Path::join with a path that begins \
                with / forgets the folder.";
    }
    if came.starts_with(b"3") {
        return "your own menu gave this selector, and the server does not \
                know it.";
    }
    if came == content.as_bytes() && !came.is_empty() {
        return "the file was sent as it is. A text is sent line by line, each \
                ended with \\r\\n, and after the last comes \".\\r\\n\".";
    }
    if content.is_empty() {
        return "an empty file is a text without lines: its answer is the dot \
                alone.";
    }
    if !text.ends_with(".\r\n") {
        return "the last line, \".\\r\\n\", is missing, or ends with \\n \
                alone.";
    }
    ends_words(&text).unwrap_or_else(|| lines_words(content, &text, expected))
}

/// What is wrong with the ends of the lines.
fn ends_words(text: &str) -> Option<&'static str> {
    if text.contains("\r\r\n") {
        return Some(
            "a line that ends with \\r\\n in the file has got one more \
                \\r: the \\r belongs to the line's end.",
        );
    }
    if text.replace("\r\n", "").contains('\n') {
        return Some(
            "each line ends with \\r\\n, whatever its end in the file: \
                here, one ends with \\n alone.",
        );
    }
    None
}

fn lines_words(content: &str, came: &str, expected: &str) -> &'static str {
    let bare = |text: &str| -> Vec<String> {
        let lines = text.split("\r\n");
        lines.map(|line| line.trim_start_matches('.').to_owned()).collect()
    };
    if bare(came) == bare(expected) {
        return "dot-stuffing: every line that begins with a dot gets one \
                more, and no other. A reader would take a line with a dot \
                alone for the end.";
    }
    if content.len() > 1024 {
        return "it is a long text. Perhaps it was read in pieces, and each \
                piece was taken for whole lines, or whole letters.";
    }
    if content.contains('\u{2028}') {
        return "perhaps a line was ended at another character. In the file \
                \\n ends a line, alone or after a \\r, and nothing else.";
    }
    if !content.ends_with('\n') {
        return "the last line has no end in the file. It is sent with \
                \\r\\n like the others, and then comes \".\\r\\n\".";
    }
    "each line is sent as it is, with \\r\\n for its end in the file, and \
     with one dot more if it begins with a dot; then comes \".\\r\\n\"."
}

fn binaries(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    world.write("large.bin", large())?;
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    let selector = |name| find(&items, name).map(|item| item.selector);
    let selectors: Result<Vec<_>, _> =
        others().iter().map(|(name, _)| selector(name)).collect();
    let answers = fetch_all(&server, &selectors?)?;
    for ((name, content), came) in others().iter().zip(answers) {
        compare_bytes(name, content, &came)?;
    }
    let came = fetch(&server, "A", selector("large.bin")?)?;
    compare_bytes("large.bin", large(), &came)
}

/// The selector of the large file.
fn large_file(server: &Server<'_>, menu: &[Item]) -> Result<String, Finding> {
    let folder = find(menu, "large")?.selector;
    let has_large = |came: &[u8]| find(&items(came)?, "large.bin");
    Ok(ask_again(server, "A", &folder, has_large)?.selector)
}

fn compare_bytes(
    name: &str,
    content: &[u8],
    came: &[u8],
) -> Result<(), Finding> {
    if came == content {
        return Ok(());
    }
    let equal = content.iter().zip(came).take_while(|(a, b)| a == b).count();
    let means = if came.starts_with(b"3") {
        "your own menu gave this selector, and the server does not know it, \
         or cannot read the file: not every file is UTF-8."
    } else if came.len() < content.len() && equal == came.len() {
        "only a part was sent: one read, or one write, is not the whole file."
    } else if equal == content.len() {
        "something was sent after the file. A file that is no text has no \
         dot at its end: the connection's end is its end."
    } else {
        "perhaps the bytes were taken for text: dots, line ends and bytes \
         that are not UTF-8 must stay as they are."
    };
    let (came_here, expected_here) = difference(came, content);
    Err(Finding::new(format!("for {name}: {came_here}"), expected_here, means))
}

fn folders(trial: &Trial) -> Result<(), Finding> {
    let world = World::new()?;
    let server = world.start(trial)?;
    let top = fetch_menu(&server, "")?;
    odd_names(&world, &server, &top)?;

    let sub = fetch_menu(&server, &find(&top, "sub")?.selector)?;
    let texts = [("inner.txt", "inside"), ("notes.txt", "of sub")];
    for (name, line) in texts {
        let selector = find(&sub, name)?.selector;
        one_line(name, line, &fetch(&server, "A", selector)?)?;
    }
    let deeper = find(&sub, "deeper")?;
    leads_here(&deeper, &server)?;
    let deeper = fetch_menu(&server, &deeper.selector)?;
    find(&deeper, "two words")?;
    let selector = find(&deeper, "leaf.txt")?.selector;
    one_line("leaf.txt", "at the end", &fetch(&server, "A", selector)?)?;

    nothing_in(&server, &find(&top, "empty")?.selector)?;
    #[cfg(unix)]
    names_of_bytes(&server, &find(&top, "not-utf8")?.selector)?;
    long_selectors(&world, &server)?;
    folder_in_other_words(trial, &world)
}

/// A text of one line.
fn one_line(name: &str, line: &str, came: &[u8]) -> Result<(), Finding> {
    let (content, expected) = (format!("{line}\n"), format!("{line}\r\n.\r\n"));
    compare_text(name, &content, came, &expected)
}

/// Each file with an odd name can be asked for.
fn odd_names(
    world: &World,
    server: &Server<'_>,
    top: &[Item],
) -> Result<(), Finding> {
    let selectors: Result<Vec<_>, _> = world
        .odd
        .iter()
        .map(|name| find(top, name).map(|item| item.selector))
        .collect();
    let answers = fetch_all(server, &selectors?)?;
    for (name, came) in world.odd.iter().zip(answers) {
        let expected = format!("{name}\r\n.\r\n");
        let dot = if name.starts_with('.') { "." } else { "" };
        let expected = format!("{dot}{expected}");
        compare_text(&format!("{name:?}"), name, &came, &expected)
            .map_err(|finding| finding.meaning(name_words(name)))?;
    }
    Ok(())
}

fn name_words(name: &str) -> &'static str {
    if name.contains("..") {
        "perhaps .. was searched in the selector as text. A name may have two \
         dots in it: only a name that is .. leads up."
    } else if name.trim() != name {
        "perhaps the selector was trimmed. Its end is \\r\\n: a space before \
         that is a part of the name."
    } else if name.contains('%') || name.contains('+') {
        "perhaps the selector was decoded as in the Web. It is what your own \
         menu says, as it is."
    } else if name.contains('\\') {
        "perhaps \\ was taken for the mark between two names. It is a letter \
         like others here."
    } else if name == "UPPER.TXT" {
        "perhaps the selector was made small: letters are not the same then."
    } else {
        "your own menu gave this selector, and another answer came than the \
         file."
    }
}

/// An empty folder has a menu: the dot.
fn nothing_in(server: &Server<'_>, selector: &str) -> Result<(), Finding> {
    let items = fetch_menu(server, selector)?;
    let means = "an empty folder is a folder: its menu is the dot alone, with \
                 remarks if you like.";
    let wrong = items.iter().find(|item| "039".contains(item.kind));
    wrong.map_or(Ok(()), |item| {
        Err(Finding::new(
            format!("a line of type {}: {:?}", item.kind, item.name),
            "the menu of an empty folder: \".\\r\\n\"",
            means,
        ))
    })
}

/// A name that is no UTF-8 does not spoil the menu.
#[cfg(unix)]
fn names_of_bytes(server: &Server<'_>, selector: &str) -> Result<(), Finding> {
    let means = "there is a file beside it whose name is not UTF-8. Perhaps \
                 that has spoiled the menu: show it in some way, or leave it \
                 out.";
    fetch_menu(server, selector)
        .and_then(|items| find(&items, "fine.txt"))
        .and_then(|item| fetch(server, "A", item.selector))
        .and_then(|came| one_line("fine.txt", "fine", &came))
        .map_err(|finding| finding.harm(means))
}

/// Asks for the file with the longest selector that has to be answered.
fn long_selectors(world: &World, server: &Server<'_>) -> Result<(), Finding> {
    let Ok(names) = world.go_deep() else {
        // This system has no such long paths.
        return Ok(());
    };
    let means = format!(
        "perhaps the limit for a selector is too low. It has at least \
         {LONGEST} bytes for the selector itself, without the line's end."
    );
    let items = go_down(server, &names);
    let items = items.map_err(|finding| finding.meaning(&means))?;
    let short = |item: &&Item| item.selector.len() <= LONGEST;
    let files = items.iter().filter(|item| item.kind == '0').filter(short);
    let Some(longest) = files.max_by_key(|item| item.selector.len()) else {
        return Ok(());
    };
    let length = longest.selector.len();
    server.trial.note(format!("the next selector has {length} bytes"));
    fetch(server, "A", &longest.selector)
        .and_then(|came| one_line("the file", "deep", &came))
        .map_err(|finding| finding.meaning(&means))
}

/// The menu of the innermost of folders with long names. It is empty if the
/// server makes selectors that need not be answered: they may be left out.
fn go_down(
    server: &Server<'_>,
    names: &[String],
) -> Result<Vec<Item>, Finding> {
    let mut items = fetch_menu(server, "")?;
    let (mut path, mut selector) = (0, 0);
    for name in names {
        let next = path + name.len() + 1;
        // As long as the last one of this server, in proportion.
        let must = selector * next <= LONGEST * path.max(1);
        path = next;
        match find(&items, name) {
            Err(_) if !must => return Ok(Vec::new()),
            Ok(item) if item.selector.len() > LONGEST => return Ok(Vec::new()),
            found => {
                let found = found?.selector;
                selector = found.len();
                items = fetch_menu(server, &found)?;
            }
        }
    }
    Ok(items)
}

/// The same folder by other names, as "." would be one.
fn folder_in_other_words(trial: &Trial, world: &World) -> Result<(), Finding> {
    let means = "the folder may be given in any form, such as \".\", or a \
                 link. Both paths have to be canonical before they are \
                 compared.";
    let mut forms = vec![world.path().join("sub/..")];
    if cfg!(unix) {
        forms.push(world.root.path().join("way"));
    }
    for dir in forms {
        let dir = dir.to_string_lossy();
        let args = ["--host", "127.0.0.1", "--port", "0", "--dir", &dir];
        let server = trial.start(&args)?;
        let (name, content, expected) = TEXTS[0];
        fetch_menu(&server, "")
            .and_then(|items| find(&items, name))
            .and_then(|item| fetch(&server, "A", item.selector))
            .and_then(|came| compare_text(name, content, &came, expected))
            .map_err(|finding| finding.meaning(means))?;
    }
    Ok(())
}

fn outside(trial: &Trial) -> Result<(), Finding> {
    let world = World::with_pipe()?;
    let server = world.start(trial)?;
    let missing = "there-is-no-such-file.txt";
    is_error(&fetch(&server, "A", missing)?, missing)?;
    let menu = fetch_menu(&server, "").map_err(|finding| {
        finding.harm("asking for what is not there has ended the program.")
    })?;
    let gone = "words.bin";
    world.remove(gone)?;
    trial.note(format!("{gone} goes"));
    is_error(&fetch(&server, "A", find(&menu, gone)?.selector)?, gone)?;
    let forms = forms(&menu)?;
    for path in forbidden(world.root.path()) {
        ask_in(&server, &forms, &path, refuses)?;
    }
    #[cfg(unix)]
    for name in ["pipe", "socket", "dead", "loop"] {
        ask_in(&server, &forms, name, |bytes, end, _, name| {
            let came = ended(bytes, end, name)?;
            is_error(&came, name)
        })?;
    }
    links_inside(&server, &menu)?;
    fetch_menu(&server, "").map(drop)
}

/// How this server makes a selector of a name: the known names of a file and
/// a folder, and their selectors.
type Forms = [(&'static str, String); 2];

fn forms(menu: &[Item]) -> Result<Forms, Finding> {
    let form = |name| find(menu, name).map(|item| (name, item.selector));
    Ok([form("notes.txt")?, form("empty")?])
}

/// Asks for a path as it is, and in the forms that the server's own selectors
/// have, and lets `judge` look at the answers.
fn ask_in(
    server: &Server<'_>,
    forms: &Forms,
    path: &str,
    judge: impl Fn(Vec<u8>, ReadEnd, &str, &str) -> Result<(), Finding>,
) -> Result<(), Finding> {
    let mut selectors = BTreeSet::from([path.to_owned()]);
    for (name, known) in forms {
        let other = known.replace(name, path);
        // A number, for example, has no name in it.
        if other != *known {
            selectors.insert(other);
        }
    }
    let ask = |selector: &String| asks(server, "A", selector);
    let clients: Result<Vec<_>, _> = selectors.iter().map(ask).collect();
    for (client, selector) in clients?.iter_mut().zip(&selectors) {
        let (bytes, end) = client.hear_out(soon());
        judge(bytes, end, selector, path)?;
    }
    Ok(())
}

/// The answer to a forbidden selector shows nothing, and says so.
fn refuses(
    bytes: Vec<u8>,
    end: ReadEnd,
    selector: &str,
    path: &str,
) -> Result<(), Finding> {
    let text = String::from_utf8_lossy(&bytes);
    // An error may repeat what was asked for.
    let named = text.contains(NEIGHBOUR) && !selector.contains(NEIGHBOUR);
    let listed = text.contains("diary.txt") && !selector.contains("diary.txt");
    if text.contains(SECRET) || listed || named {
        return Err(leak(&bytes, path));
    }
    // Where .. is taken for no further up than the folder, this is its menu.
    let up = |name: &str| ["", "..", "sub"].contains(&name);
    if path.split('/').all(up) && text.contains("notes.txt") {
        return items(&bytes).map(drop);
    }
    let came = ended(bytes, end, selector)?;
    is_error(&came, path)
}

/// An answer that has come to its end.
fn ended(
    bytes: Vec<u8>,
    end: ReadEnd,
    selector: &str,
) -> Result<Vec<u8>, Finding> {
    if end == ReadEnd::End {
        return Ok(bytes);
    }
    Err(Finding::new(
        format!("{}, then {end}", quoted(&bytes)),
        format!("an error for {selector:?}, then the end"),
        "what is refused is answered, too, and the connection closed: the \
         client waits. Opening a pipe with a name waits for its other end.",
    ))
}

/// Whether an answer is a menu of one line, of type 3.
fn is_error(bytes: &[u8], selector: &str) -> Result<(), Finding> {
    let lines = items(bytes).unwrap_or_default();
    if matches!(&lines[..], [line] if line.kind == '3') {
        return Ok(());
    }
    let means = if bytes.is_empty() {
        "the connection was closed without an answer. What is not there, or \
         not allowed, is answered with an item of type 3: an error is no \
         reason to panic, or to leave."
    } else if bytes.starts_with(b"3") {
        "an error is a menu, too: one line with four fields, which ends with \
         \\r\\n, and then the dot, \".\\r\\n\"."
    } else {
        "what is not there, or not allowed, is answered with a line of type \
         3, and no other."
    };
    Err(Finding::new(
        format!("for {selector:?}: {}", quoted(bytes)),
        "\"3not found\\t\\terror.host\\t1\\r\\n.\\r\\n\", in your words",
        means,
    ))
}

/// A link that stays inside is followed, or refused.
fn links_inside(server: &Server<'_>, menu: &[Item]) -> Result<(), Finding> {
    let means = "a link that stays inside the folder is answered like what \
                 it leads to, or refused like one that leads outside.";
    if let Ok(item) = find(menu, "inside.txt") {
        let came = fetch(server, "A", item.selector)?;
        let (name, content, expected) = TEXTS[0];
        is_error(&came, name)
            .or_else(|_| compare_text(name, content, &came, expected))
            .map_err(|finding| finding.meaning(means))?;
    }
    if let Ok(item) = find(menu, "inner") {
        let came = fetch(server, "A", item.selector)?;
        let shows = |items: Vec<Item>| find(&items, "inner.txt").map(drop);
        is_error(&came, "inner")
            .or_else(|_| items(&came).and_then(shows))
            .map_err(|finding| finding.meaning(means))?;
    }
    Ok(())
}

fn leak(bytes: &[u8], path: &str) -> Finding {
    let means = if path.starts_with("link") || path.starts_with("chain") {
        "a symbolic link in the folder leads outside, and was followed. \
         fs::canonicalize says where a path really leads."
    } else if path.contains('%') {
        "perhaps the selector was decoded after it had been judged: %2e is a \
         dot then, and %2f a /. Judge the path that is opened, or decode \
         nothing."
    } else if path.contains('\\') {
        "perhaps \\ was made a / after the selector had been judged. Judge \
         the path that is opened."
    } else if path.starts_with("....") {
        "perhaps ../ was cut out of the selector: what remains of ....// is \
         ../ again. Judge where a path leads, and mend nothing."
    } else if path.contains("pub-private") {
        "perhaps paths were compared as strings: \"/x/pub-private\" begins \
         with \"/x/pub\". Path::starts_with compares whole names."
    } else if path.starts_with("..") || path.contains("/..") {
        "the selector was joined to the folder as it is. Each .. leads one \
         folder up."
    } else {
        "an absolute path replaces what it is joined to: that is how \
         Path::join works."
    };
    Finding::new(
        quoted(bytes),
        format!("an error for {path}, and nothing of what is outside"),
        means,
    )
}

fn many_at_once(trial: &Trial) -> Result<(), Finding> {
    let world = World::with_large()?;
    let server = world.start(trial)?;
    let mut silent = server.silent_clients(SILENT)?;
    let menu = ask_menu(&server).map_err(busy)?;
    let large_file = large_file(&server, &menu).map_err(busy)?;
    let notes = find(&menu, "notes.txt")?.selector;

    let stuck = server.connect_with_little_room("S")?;
    let stuck =
        with_slow_ones(&server, stuck, &notes, &large_file, &mut silent)?;
    drop(silent);
    crowds(&server, &notes)?;
    // Not before: it breaks the connection off, which is the next rung's.
    drop(stuck);
    Ok(())
}

/// Clients come who are in the middle of a selector, or do not read: others
/// are served meanwhile, and then those. One of them, S, never reads.
fn with_slow_ones<'s>(
    server: &'s Server<'_>,
    mut stuck: Client<'s>,
    notes: &str,
    large: &str,
    silent: &mut [Client<'_>],
) -> Result<Client<'s>, Finding> {
    let first = notes.chars().next().map_or(0, char::len_utf8);
    let (first, rest) = notes.split_at(first);
    let mut drip = server.connect("D")?;
    drip.send(first)?;
    // Two who do not read; one of them reads later.
    stuck.send(format!("{large}\r\n"))?;
    let slow = asks(server, "T", large)?;
    let begun = Instant::now();
    // Once it has begun, the server is in the middle of sending.
    stuck.wait_for_bytes();
    server.trial.note("S and T do not read the answers");
    ask_again(server, "B", notes, is_notes).map_err(busy)?;
    ask_again(server, "C", "", |menu| items(menu).map(drop)).map_err(busy)?;

    let left = SILENCE.saturating_sub(begun.elapsed());
    let rest = format!("{rest}\r\n");
    let pause = left / u32::try_from(rest.len()).unwrap_or(1);
    drip.send_in_bytes(rest, pause).map_err(given_up)?;
    all_slow_answered(drip, slow, silent, notes)?;
    Ok(stuck)
}

/// Those who were slow get their answers.
fn all_slow_answered(
    mut drip: Client<'_>,
    mut slow: Client<'_>,
    silent: &mut [Client<'_>],
    notes: &str,
) -> Result<(), Finding> {
    answer(&mut drip).and_then(|came| is_notes(&came)).map_err(given_up)?;
    all_answered(silent, notes).map_err(given_up)?;
    answer(&mut slow)
        .and_then(|came| compare_bytes("large.bin", large(), &came))
        .map_err(|finding| finding.meaning(NOT_READING))
}

/// What it means that one who began to read again did not get it all.
const NOT_READING: &str = "a client did not read for 2 seconds, and then did: \
                           perhaps it was given up in the meantime, by a \
                           time-out of a write.";

fn busy(finding: Finding) -> Finding {
    finding.meaning(
        "perhaps the server talks to one client at a time, or to a few: it \
         waits for those who are silent, in the middle of a selector, or do \
         not read. 50 at least have to be served at once, and none waits for \
         another.",
    )
}

fn given_up(finding: Finding) -> Finding {
    finding.meaning(
        "perhaps a client was given up too soon: one may be silent, or need \
         for its selector, 2 seconds.",
    )
}

fn is_notes(came: &[u8]) -> Result<(), Finding> {
    let (name, content, expected) = TEXTS[0];
    compare_text(name, content, came, expected)
}

/// The menu, with the file that we ask for.
fn ask_menu(server: &Server<'_>) -> Result<Vec<Item>, Finding> {
    ask_again(server, "A", "", |came| {
        let items = items(came)?;
        find(&items, "notes.txt").map(|_| items)
    })
}

/// Those who were silent ask now, all of them.
fn all_answered(
    clients: &mut [Client<'_>],
    selector: &str,
) -> Result<(), Finding> {
    for client in &mut *clients {
        client.send(format!("{selector}\r\n"))?;
    }
    for client in clients {
        answer(client).and_then(|came| is_notes(&came))?;
    }
    Ok(())
}

/// Several hundred clients, many of them at the same time.
fn crowds(server: &Server<'_>, selector: &str) -> Result<(), Finding> {
    let means = "perhaps clients who are gone are still counted, or their \
                 connections kept: the 300th is served like the first.";
    for nth in 1..=CROWDS {
        let done = nth * CROWD;
        server.trial.note(format!("{CROWD} clients ask, {done} by then"));
        let answers = fetch_all(server, &vec![selector.to_owned(); CROWD]);
        let right = |came: &Vec<u8>| is_notes(came).is_ok();
        if answers.is_ok_and(|answers| answers.iter().all(right)) {
            continue;
        }
        // Some that were there before may not have been seen out.
        ask_again(server, "E", selector, is_notes)
            .map_err(|finding| finding.harm(means))?;
    }
    Ok(())
}

fn bad_clients(trial: &Trial) -> Result<(), Finding> {
    let world = World::with_large()?;
    let server = world.start(trial)?;
    let menu = fetch_menu(&server, "")?;
    let large_file = large_file(&server, &menu)?;
    let notes = find(&menu, "notes.txt")?.selector;
    let still = |what: &str| {
        ask_again(&server, "B", &notes, is_notes)
            .map_err(|finding| harmed(&server, what, finding))
    };

    nonsense(&server);
    still("selectors that nobody expects")?;
    half_selectors(&server);
    still("half a selector, and none")?;
    let endless = without_end(&server)?;
    still("a selector without an end")?;
    let broken = server.broken_clients(BROKEN);
    broken.or_else(|_| still("connections that broke off at once"))?;
    still("connections that broke off at once")?;
    for _ in 0..5 {
        if let Ok(bad) = asks(&server, "a bad client", &large_file) {
            bad.reset();
        }
    }
    still("connections that broke off during an answer")?;
    drop(endless);
    Ok(())
}

/// Selectors of any bytes: they are answered, or not.
fn nonsense(server: &Server<'_>) {
    let many = "/".repeat(2000);
    let lines =
        [&b"a\0b\r\n"[..], b"\xff\xfe\r\n", b"\t\r\n", b"a\t\r\n", b"\n"];
    let long = format!("{many}\r\n");
    for bytes in lines.into_iter().chain([long.as_bytes()]) {
        let Ok(mut bad) = server.connect("a bad client") else { return };
        let _ = bad.send(bytes);
        // An answer, or none: then the server is done with it.
        let _ = bad.hear_out(Deadline::after(Duration::from_millis(500)));
    }
}

fn half_selectors(server: &Server<'_>) {
    for bytes in ["half a selec", "half a line\r", ""] {
        let Ok(mut half) = server.connect("a bad client") else { return };
        let _ = half.send(bytes);
        half.end();
        let _ = half.hear_out(Deadline::after(Duration::from_millis(500)));
        half.leave();
    }
}

/// A client who never ends the line, and stays; the server's memory does not
/// fill with it.
fn without_end<'s>(server: &'s Server<'_>) -> Result<Client<'s>, Finding> {
    let before = most_memory(server);
    let mut endless = server.connect("an endless client")?;
    endless.flood(ENDLESS);
    let (Some(before), Some(after)) = (before, most_memory(server)) else {
        return Ok(endless);
    };
    let grown = after.saturating_sub(before);
    if grown > KEPT {
        return Err(Finding::new(
            format!("{} MB more of memory", grown >> 20),
            format!("less than {} MB more", KEPT >> 20),
            "a selector without an end was kept as it came: it would fill \
             all the memory. Set a limit, for example with Read::take.",
        ));
    }
    Ok(endless)
}

/// The most memory that the program has had, in bytes: proc(5). Other systems
/// do not say it in this way.
fn most_memory(server: &Server<'_>) -> Option<usize> {
    let file = format!("/proc/{}/status", server.process.id());
    let status = fs::read_to_string(file).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}

/// What it means that nobody is served after a bad client.
fn harmed(server: &Server<'_>, after: &str, finding: Finding) -> Finding {
    const MOMENT: Duration = Duration::from_millis(200);
    let ended = server.process.wait(Deadline::after(MOMENT)).is_some();
    let means = if ended {
        "has ended the program: its words are below. Perhaps it was unwrap, \
         or ?, where a client may be gone, or asks for nonsense."
    } else {
        "nobody is served any more, and the program still runs. Perhaps its \
         loop has ended, a lock is poisoned, or those who are gone keep their \
         threads or places."
    };
    let means = if ended {
        format!("a bad client {means}")
    } else {
        format!("after a bad client {means}")
    };
    let came = format!("after {after}: {}", finding.came);
    Finding { came, ..finding.harm(&means) }
}
