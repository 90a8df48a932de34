//! The lines of a Gopher menu.

use std::net::ToSocketAddrs;

use crate::finding::{Finding, quoted};
use crate::trial::Server;

use super::fetch;

/// What is left out of a menu.
pub(super) const UNSHOWN: &str = "a name with a tab or a line end in it \
                                  breaks its line: such an entry is left out.";

/// One line of a menu.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: char,
    pub(super) name: String,
    pub(super) selector: String,
    host: String,
    port: String,
}

impl Item {
    /// Whether it is a text, a folder or another file.
    pub(super) fn is_entry(&self) -> bool {
        "019".contains(self.kind)
    }
}

/// Asks for a menu and takes it apart.
pub(super) fn fetch_menu(
    server: &Server<'_>,
    selector: &str,
) -> Result<Vec<Item>, Finding> {
    items(&fetch(server, "A", selector)?)
}

/// The lines of a menu.
pub(super) fn items(bytes: &[u8]) -> Result<Vec<Item>, Finding> {
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
pub(super) fn find(items: &[Item], name: &str) -> Result<Item, Finding> {
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
         at its beginning or end is part of it."
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

pub(super) fn leads_here(
    item: &Item,
    server: &Server<'_>,
) -> Result<(), Finding> {
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
