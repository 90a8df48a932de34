//! ex05 · A Gopher server: shows a folder as menus, texts and files.
//!
//! A selector is a path inside the folder, with a `/` before each name. The
//! system says where it really leads; whatever leads outside is not found.
//! Files are judged and sent in pieces, so that a large one costs no memory.
//! The menus name the address that is bound: give an address to `--host` that
//! clients can call, not `0.0.0.0`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use first_socket::connection::Connection;
use first_socket::errors::{self, Error};
use first_socket::escape::shown;
use first_socket::events::{self, event};
use first_socket::flags::{Address, Limits};
use first_socket::net;
use first_socket::server::Server;

/// The most bytes that are read from a file at once.
const CHUNK: usize = 64 * 1024;

/// The longest selector, with its line end: `PATH_MAX` on Linux, and `\r\n`.
const LONGEST_LINE: u64 = 4096 + 2;

/// A menu of one line, which is an error.
const NOT_FOUND: &str = "3not found\t\terror.host\t1\r\n.\r\n";

/// Shows a folder to clients who speak Gopher
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    #[command(flatten)]
    limits: Limits,

    /// The folder that is shown
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let root = fs::canonicalize(&args.dir).map_err(|error| {
        let what = format!("cannot show the folder {}", args.dir.display());
        Error::new(what, &error, "Choose another with --dir.")
    })?;
    let (listener, address) = net::listen(&args.address)?;
    let full = NOT_FOUND.replace("not found", "Server is full.");
    let server = Server::new(&listener, &args.limits)?;
    events::listening(address);

    let place = format!("{}\t{}", address.ip(), address.port());
    let site = Site { root, place };
    server.run(listener, full.as_bytes(), |client| answer(client, &site));
    event("STOPPED", server.totals());
    Ok(())
}

/// Reads one selector and sends what it asks for.
fn answer(client: &mut Connection<'_>, site: &Site) -> io::Result<()> {
    let mut line = Vec::new();
    client.set_deadline();
    let mut limited = BufReader::new(&mut *client).take(LONGEST_LINE);
    limited.read_until(b'\n', &mut line)?;
    client.event("RECEIVED", shown(&line));

    let found = site.open(&line);
    // The client has the whole time-out again to take it.
    client.set_deadline();
    match found {
        Ok(Item::Menu(menu)) => client.write_all(menu.as_bytes()),
        Ok(Item::File(file, kind)) => send(client, file, kind == '0'),
        // The client need not know why: it would tell what is outside.
        Err(error) => {
            client.event("REFUSED", errors::why(&error));
            client.write_all(NOT_FOUND.as_bytes())
        }
    }
}

/// The folder that is shown, and where clients find it.
struct Site {
    root: PathBuf,
    /// HOST and PORT, as the menus give them.
    place: String,
}

/// What a selector can ask for.
enum Item {
    Menu(String),
    /// With the type that the menus give it.
    File(File, char),
}

impl Site {
    /// Opens what the selector in a line leads to.
    fn open(&self, line: &[u8]) -> io::Result<Item> {
        let line = str::from_utf8(line).map_err(io::Error::other)?;
        // Without its end, the selector is not whole.
        let line = line.strip_suffix('\n').ok_or(ErrorKind::UnexpectedEof)?;
        let selector = line.strip_suffix('\r').unwrap_or(line);

        let path = self.find(selector)?;
        match kind(&path)? {
            '1' => self.menu(selector, &path).map(Item::Menu),
            kind => Ok(Item::File(File::open(path)?, kind)),
        }
    }

    /// Where a selector leads, with `..` and symbolic links resolved.
    fn find(&self, selector: &str) -> io::Result<PathBuf> {
        // With its `/` in front, join would take it for an absolute path.
        let inside = selector.trim_start_matches('/');
        let path = fs::canonicalize(self.root.join(inside))?;
        // This compares whole names: pub-secret does not start with pub.
        let outside = || io::Error::other("it leads outside");
        path.starts_with(&self.root).then_some(path).ok_or_else(outside)
    }

    /// A line for each entry, sorted by name, and the dot.
    fn menu(&self, selector: &str, path: &Path) -> io::Result<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            // A name that is not UTF-8 is left out.
            names.extend(entry?.file_name().into_string());
        }
        // These would break a field in two, or a line.
        names.retain(|name| !name.contains(['\t', '\r', '\n']));
        names.sort();

        let folder = selector.trim_end_matches('/');
        let lines = names.iter().filter_map(|name| self.line(folder, name));
        Ok(lines.chain([".\r\n".to_owned()]).collect())
    }

    /// The line for one entry, unless its selector would be refused.
    fn line(&self, folder: &str, name: &str) -> Option<String> {
        let selector = format!("{folder}/{name}");
        let kind = self.find(&selector).and_then(|path| kind(&path)).ok()?;
        Some(format!("{kind}{name}\t{selector}\t{}\r\n", self.place))
    }
}

/// The type that a menu gives: all of a file decides whether it is a text.
fn kind(path: &Path) -> io::Result<char> {
    if path.is_dir() {
        return Ok('1');
    }
    // Opening a named pipe would wait for its other end: see fifo(7).
    if !path.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok(if is_text(File::open(path)?)? { '0' } else { '9' })
}

/// Whether all bytes are UTF-8, and none is zero.
fn is_text(mut file: File) -> io::Result<bool> {
    let (mut chunk, mut kept) = (vec![0; CHUNK], 0);
    loop {
        let count = file.read(&mut chunk[kept..])?;
        let bytes = &chunk[..kept + count];
        let valid = match str::from_utf8(bytes) {
            _ if count == 0 => return Ok(kept == 0),
            _ if bytes.contains(&0) => return Ok(false),
            Ok(text) => text.len(),
            // The chunk ends within a character: its rest is in the next.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Ok(false),
        };
        kept = bytes.len() - valid;
        chunk.copy_within(valid..valid + kept, 0);
    }
}

/// Sends a file piece by piece.
fn send(
    client: &mut Connection<'_>,
    mut file: File,
    text: bool,
) -> io::Result<()> {
    // The beginning of a text is like the beginning of a line.
    let (mut chunk, mut before) = (vec![0; CHUNK], b'\n');
    loop {
        let count = file.read(&mut chunk)?;
        let piece = &chunk[..count];
        let lines = text.then(|| as_lines(piece, &mut before));
        // Each piece has the whole time-out again.
        client.set_deadline();
        client.write_all(lines.as_deref().unwrap_or(piece))?;
        if count == 0 {
            return Ok(());
        }
    }
}

/// A piece of a text as it is sent; an empty one is the end of the text.
/// `before` is the byte in front of the piece.
fn as_lines(piece: &[u8], before: &mut u8) -> Vec<u8> {
    let mut lines = Vec::with_capacity(piece.len());
    for &byte in piece {
        match (*before, byte) {
            (b'\n', b'.') => lines.extend(b".."),
            (b'\r', b'\n') => lines.push(b'\n'),
            (_, b'\n') => lines.extend(b"\r\n"),
            _ => lines.push(byte),
        }
        *before = byte;
    }
    if piece.is_empty() {
        // The last line of a file may have no end of its own.
        lines.extend(if *before == b'\n' { "" } else { "\r\n" }.bytes());
        lines.extend(b".\r\n");
    }
    lines
}
