//! ex05: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(clippy::unwrap_used, clippy::exit, reason = "mistakes")]

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::{Arc, Mutex};
use std::thread::{self, Builder};
use std::time::Duration;

use answers::{chatter, mistake, oddity};
use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::flags::Address;
use first_socket::{events, net};

const NOT_FOUND: &[u8] = b"3not found\t\terror.host\t1\r\n.\r\n";

/// Shows a folder to clients who speak Gopher
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The folder that is shown
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// What all clients share.
struct Site {
    root: PathBuf,
    bound: SocketAddr,
    clients: Mutex<u64>,
    /// The selectors by their numbers, for one of the odd answers.
    catalogue: Mutex<Vec<String>>,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    if oddity("ex05_numbers") {
        chatter();
    }
    if oddity("ex05_bytewise") {
        thread::sleep(Duration::from_secs(1));
    }
    let root = fs::canonicalize(&args.dir).map_err(|error| {
        Error::new("no such folder", &error, "Check --dir.")
    })?;
    let (listener, bound) = net::listen(&args.address)?;
    events::listening(bound);
    let (clients, catalogue) = (Mutex::default(), Mutex::default());
    let site = Arc::new(Site { root, bound, clients, catalogue });
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        // A panic under this lock ends the program here.
        *site.clients.lock().unwrap() += 1;
        let site = Arc::clone(&site);
        let visit = move || visit(&stream, &site);
        if mistake("ex05_serial") {
            visit();
        } else {
            let _ = Builder::new().spawn(visit);
        }
    }
}

fn visit(stream: &TcpStream, site: &Site) {
    let ended = serve(stream, site);
    if ended.is_err() && mistake("ex05_reset_ends") {
        // The error of one is the end of all.
        process::exit(1);
    }
}

/// Answers one selector.
fn serve(stream: &TcpStream, site: &Site) -> io::Result<()> {
    let mut line = Vec::new();
    let mut input = BufReader::new(stream.take(4096));
    if mistake("ex05_single_read") {
        line.extend_from_slice(input.fill_buf()?);
    } else {
        input.read_until(b'\n', &mut line)?;
    }
    if line.is_empty() {
        return Ok(());
    }
    let line = String::from_utf8_lossy(&line);
    if mistake("ex05_selector_unwrap") {
        let _clients = site.clients.lock().unwrap();
        line.strip_suffix("\r\n").unwrap();
    }
    let selector = line.trim_end_matches(['\r', '\n']);
    if mistake("ex05_missing_ends") {
        let _clients = site.clients.lock().unwrap();
        site.root.join(selector).metadata().unwrap();
    }
    let lock = || site.clients.lock().unwrap();
    let _all_others_wait = mistake("ex05_lock_while_sending").then(lock);
    let answer = answer(site, selector);
    send(stream, answer.as_deref().unwrap_or(NOT_FOUND))
}

fn send(mut stream: &TcpStream, answer: &[u8]) -> io::Result<()> {
    if oddity("ex05_bytewise") {
        stream.set_nodelay(true)?;
        let (slow, quick) = answer.split_at(answer.len().min(2000));
        let mut pieces = slow.chunks(1).chain(quick.chunks(997));
        return pieces.try_for_each(|piece| stream.write_all(piece));
    }
    stream.write_all(answer)
}

fn answer(site: &Site, selector: &str) -> io::Result<Vec<u8>> {
    let selector = &meant(site, selector)?;
    let path = find(&site.root, selector)?;
    if path.is_dir() {
        return menu(site, selector, &path);
    }
    let mut bytes = if mistake("ex05_read_to_string") {
        fs::read_to_string(path)?.into_bytes()
    } else {
        fs::read(path)?
    };
    if is_text(&bytes) {
        return Ok(as_text(&bytes));
    }
    if mistake("ex05_first_64k") {
        // One read, into a buffer of this size.
        bytes.truncate(64 * 1024);
    }
    if mistake("ex05_dot_after_binary") {
        bytes.extend(b".\r\n");
    }
    Ok(bytes)
}

/// Where a selector leads: a file or folder inside `root`.
fn find(root: &Path, selector: &str) -> io::Result<PathBuf> {
    let relative = selector.trim_start_matches('/');
    let leads_up = selector.split('/').any(|name| name == "..");
    let (path, inside) = if mistake("ex05_absolute") {
        // `join` forgets the folder when the selector begins with `/`.
        (root.join(selector), !leads_up)
    } else if mistake("ex05_links") {
        (root.join(relative), !leads_up)
    } else if mistake("ex05_dot_dot") {
        let path = root.join(relative);
        let inside = path.starts_with(root);
        (path, inside)
    } else {
        let path = fs::canonicalize(root.join(relative))?;
        let inside = if mistake("ex05_string_prefix") {
            path.to_string_lossy().starts_with(&*root.to_string_lossy())
        } else {
            path.starts_with(root)
        };
        (path, inside)
    };
    let shown = inside && (path.is_dir() || path.is_file());
    shown.then_some(path).ok_or(ErrorKind::NotFound.into())
}

fn menu(site: &Site, selector: &str, folder: &Path) -> io::Result<Vec<u8>> {
    let mut menu = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let inside = format!("{selector}/{name}");
        let mut to = inside.trim_start_matches('/');
        let Ok(path) = find(&site.root, to) else { continue };
        if name.contains(['\t', '\r', '\n']) {
            continue;
        }
        if mistake("ex05_flat_selectors") {
            to = name;
        }
        write!(menu, "{}\r\n", item(site, name, &path, to)?)?;
    }
    menu.extend(b".\r\n");
    Ok(menu)
}

/// One line of a menu.
fn item(site: &Site, name: &str, path: &Path, to: &str) -> io::Result<String> {
    let mut kind = if path.is_dir() {
        '1'
    } else if is_text(&fs::read(path)?) {
        '0'
    } else {
        '9'
    };
    if mistake("ex05_all_texts") {
        kind = '0';
    }
    let (host, mut port) = (site.bound.ip(), site.bound.port());
    if mistake("ex05_port_70") {
        port = 70;
    }
    let to = said(site, to);
    let line = format!("{kind}{name}\t{to}\t{host}\t{port}");
    let spaces = mistake("ex05_no_tabs");
    Ok(if spaces { line.replace('\t', " ") } else { line })
}

fn is_text(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok() && !bytes.contains(&0)
}

fn as_text(bytes: &[u8]) -> Vec<u8> {
    let bare = mistake("ex05_bare_line_feed");
    let end = if bare { "\n" } else { "\r\n" };
    let mut lines = String::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        if line.starts_with('.') && !mistake("ex05_no_stuffing") {
            lines.push('.');
        }
        lines.extend([line, end]);
    }
    if !mistake("ex05_no_final_dot") {
        lines += ".\r\n";
    }
    lines.into_bytes()
}

/// The selector as the menu has it: a number, in one of the odd answers.
fn said(site: &Site, selector: &str) -> String {
    if !oddity("ex05_numbers") {
        return selector.to_owned();
    }
    let mut known = site.catalogue.lock().unwrap();
    let at = known.iter().position(|one| one == selector);
    let at = at.unwrap_or_else(|| {
        known.push(selector.to_owned());
        known.len() - 1
    });
    format!("no. {at}")
}

/// What such a selector stands for.
fn meant(site: &Site, said: &str) -> io::Result<String> {
    if !oddity("ex05_numbers") || said.is_empty() {
        return Ok(said.to_owned());
    }
    let number = said.strip_prefix("no. ").and_then(|n| n.parse().ok());
    let known = site.catalogue.lock().unwrap();
    let selector = number.and_then(|at: usize| known.get(at).cloned());
    selector.ok_or(ErrorKind::NotFound.into())
}
