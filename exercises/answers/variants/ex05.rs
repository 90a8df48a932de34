//! ex05: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(clippy::unwrap_used, clippy::exit, reason = "mistakes")]

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use answers::{chatter, mistake, oddity};
use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::flags::Address;
use first_socket::linger::lingering_close;
use first_socket::{events, net};

const NOT_FOUND: &[u8] = b"3not found\t\terror.host\t1\r\n.\r\n";

/// The longest line: a selector, and its end.
const LONGEST: u64 = 4096;

/// How many clients the others serve at once.
const MANY: usize = 1000;

/// How long the odd one that is late waits with each answer.
const LATE: Duration = Duration::from_millis(250);

/// Shows a folder to clients who speak Gopher
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The folder that is shown
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What all clients share.
struct Site {
    root: PathBuf,
    bound: SocketAddr,
    clients: Mutex<u64>,
    /// The clients at the moment, for those that have a limit.
    places: AtomicUsize,
    count: AtomicU8,
    full: AtomicBool,
    /// The selectors by their numbers, for one of the odd answers.
    catalogue: Mutex<Vec<String>>,
    /// Answers of before, for those that keep them.
    kept: Mutex<Vec<(String, Vec<u8>)>>,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    if oddity("ex05_numbers") || oddity("ex05_late") {
        chatter();
    }
    if oddity("ex05_bytewise") {
        thread::sleep(Duration::from_secs(1));
    }
    if mistake("ex05_dir_required") && args.dir.is_none() {
        let why = io::Error::from(ErrorKind::InvalidInput);
        return Err(Error::new("--dir is missing", &why, "Give it."));
    }
    let here = if mistake("ex05_root_of_all") { "/" } else { "." };
    let dir = args.dir.clone().unwrap_or(here.into());
    let mut root = fs::canonicalize(&dir).map_err(|error| {
        Error::new("no such folder", &error, "Check --dir.")
    })?;
    if args.dir.is_some() && mistake("ex05_root_as_given") {
        root = dir;
    }
    let (listener, said) = listen(args)?;
    events::listening(said);
    let bound = listener.local_addr().unwrap();
    accept_all(&listener, &Arc::new(Site::new(root, bound)));
    Ok(())
}

/// Listens; returns the address that is said, too.
fn listen(args: &Args) -> Result<(TcpListener, SocketAddr), Error> {
    let mut address = args.address.clone();
    if mistake("ex05_host_ignored") {
        "127.0.0.1".clone_into(&mut address.host);
    }
    if mistake("ex05_everywhere") {
        "0.0.0.0".clone_into(&mut address.host);
    }
    if mistake("ex05_port_ignored") {
        address.port = 0;
    }
    let (listener, mut said) = net::listen(&address)?;
    if mistake("ex05_says_what_it_was_told") {
        said.set_port(address.port);
    }
    Ok((listener, said))
}

impl Site {
    fn new(root: PathBuf, bound: SocketAddr) -> Self {
        Self {
            root,
            bound,
            clients: Mutex::default(),
            places: AtomicUsize::new(0),
            count: AtomicU8::new(0),
            full: AtomicBool::new(false),
            catalogue: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Takes a place; `false` when there is none.
    fn enter(&self) -> bool {
        if mistake("ex05_counts_in_a_byte") {
            let before = self.count.fetch_add(1, Ordering::SeqCst);
            self.full.fetch_or(before == u8::MAX, Ordering::SeqCst);
        }
        let room = match () {
            () if oddity("ex05_fifty") => 50,
            () if mistake("ex05_pool_of_forty") => 40,
            () => MANY,
        };
        let before = self.places.fetch_add(1, Ordering::SeqCst);
        if before >= room || self.full.load(Ordering::SeqCst) {
            self.places.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        true
    }
}

fn accept_all(listener: &TcpListener, site: &Arc<Site>) {
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        // A panic under this lock ends the program here.
        *site.clients.lock().unwrap() += 1;
        if !site.enter() {
            let _ = (&stream).write_all(NOT_FOUND);
            continue;
        }
        let site = Arc::clone(site);
        let visit = move || visit(&stream, &site);
        if mistake("ex05_serial") {
            visit();
        } else {
            let _ = Builder::new().spawn(visit);
        }
    }
}

fn visit(stream: &TcpStream, site: &Site) {
    set_time_outs(stream);
    let ended = serve(stream, site);
    if ended.is_err() && mistake("ex05_reset_ends") {
        // The error of one is the end of all.
        process::exit(1);
    }
    if !matches!(ended, Ok(true)) && mistake("ex05_lost_places") {
        // Whoever breaks off, or says nothing, keeps a place, and more.
        site.places.fetch_add(MANY / 50, Ordering::SeqCst);
    }
    if oddity("ex05_fifty") {
        let _ = lingering_close(stream);
    }
    site.places.fetch_sub(1, Ordering::SeqCst);
    if mistake("ex05_never_closes") {
        thread::sleep(Duration::from_secs(60));
    }
}

fn set_time_outs(stream: &TcpStream) {
    let seconds = Duration::from_secs;
    let (read, write) = match () {
        () if oddity("ex05_fifty") => (seconds(4), seconds(4)),
        () if mistake("ex05_impatient") => (seconds(1), seconds(60)),
        () if mistake("ex05_impatient_write") => (seconds(60), seconds(1) / 2),
        () => (seconds(60), seconds(60)),
    };
    let _ = stream.set_read_timeout(Some(read));
    let _ = stream.set_write_timeout(Some(write));
}

/// Answers one selector; `false` when there was none.
fn serve(stream: &TcpStream, site: &Site) -> io::Result<bool> {
    let line = read_line(stream, site)?;
    if line.is_empty() {
        return Ok(false);
    }
    if mistake("ex05_half_line") && !line.ends_with(b"\n") {
        let _clients = site.clients.lock().unwrap();
        line.strip_suffix(b"\n").unwrap();
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
    reply(stream, site, selector)?;
    Ok(true)
}

/// Sends what a selector asks for.
fn reply(stream: &TcpStream, site: &Site, selector: &str) -> io::Result<()> {
    if oddity("ex05_late") {
        thread::sleep(LATE);
    }
    let lock = || site.clients.lock().unwrap();
    let _all_others_wait = mistake("ex05_lock_while_sending").then(lock);
    let answer = kept(site, selector).or_else(|_| answer(site, selector));
    let refused = site.root.join(selector.trim_start_matches('/')).exists();
    let bytes = match &answer {
        Ok(bytes) => bytes,
        Err(_) if mistake("ex05_hangs_up") => return Ok(()),
        Err(_) if refused && mistake("ex05_refuses_silently") => {
            return Ok(());
        }
        Err(_) => not_found(),
    };
    send(stream, bytes)
}

fn not_found() -> &'static [u8] {
    match () {
        () if mistake("ex05_error_alone") => b"3not found\t\terror.host\t1\r\n",
        () if mistake("ex05_error_words") => b"3not found\r\n.\r\n",
        () if mistake("ex05_error_remark") => {
            b"inot found\t\terror.host\t1\r\n.\r\n"
        }
        () if mistake("ex05_error_and_more") => {
            b"3not found\t\terror.host\t1\r\n3sorry\t\terror.host\t1\r\n.\r\n"
        }
        () if oddity("ex05_remarks") => "3\t\t\t0\r\n.\r\n".as_bytes(),
        () => NOT_FOUND,
    }
}

/// How long a line may be.
fn longest() -> u64 {
    match () {
        () if mistake("ex05_endless") => u64::MAX,
        () if mistake("ex05_limit_255") => 255 + 2,
        () if mistake("ex05_limit_with_end") => 1000,
        () => LONGEST,
    }
}

fn read_line(stream: &TcpStream, site: &Site) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut input = BufReader::new(stream.take(longest()));
    if mistake("ex05_waits_for_end") {
        input.read_to_end(&mut line)?;
    } else if mistake("ex05_single_read") {
        line.extend_from_slice(input.fill_buf()?);
    } else if mistake("ex05_half_line_holds") {
        let begun = !input.fill_buf()?.is_empty();
        let _others = begun.then(|| site.clients.lock().unwrap());
        input.read_until(b'\n', &mut line)?;
    } else if mistake("ex05_line_in_a_second") {
        let until = Instant::now() + Duration::from_secs(1);
        while !line.ends_with(b"\n") && !input.fill_buf()?.is_empty() {
            line.extend(input.fill_buf()?.first());
            input.consume(1);
            if Instant::now() > until {
                return Err(ErrorKind::TimedOut.into());
            }
        }
    } else {
        input.read_until(b'\n', &mut line)?;
    }
    Ok(line)
}

/// What was answered before, in those that keep it.
fn kept(site: &Site, selector: &str) -> io::Result<Vec<u8>> {
    let menu = |bytes: &[u8]| bytes.starts_with(b"0") || bytes.contains(&b'\t');
    let keeps = match () {
        () if mistake("ex05_menu_once") => menu,
        () if mistake("ex05_text_once") => {
            |bytes: &[u8]| bytes.starts_with(b"first\r\n") && bytes.len() < 100
        }
        () => return Err(ErrorKind::NotFound.into()),
    };
    let mut known = site.kept.lock().unwrap();
    if let Some((_, answer)) = known.iter().find(|(it, _)| it == selector) {
        return Ok(answer.clone());
    }
    let answer = answer(site, selector)?;
    if keeps(&answer) {
        known.push((selector.to_owned(), answer.clone()));
    }
    Ok(answer)
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
    let selector = &path_of(&meant(site, selector)?)?;
    let path = find(&site.root, selector).or_else(|error| {
        let path = site.root.join(selector.trim_start_matches('/'));
        let pipe = mistake("ex05_opens_pipes") && is_pipe(&path);
        pipe.then_some(path).ok_or(error)
    })?;
    let link = site.root.join(selector.trim_start_matches('/'));
    if link.is_symlink() && mistake("ex05_reads_link") {
        let to = fs::read_link(link)?;
        return Ok(as_text(to.as_os_str().as_encoded_bytes()));
    }
    if path.is_dir() {
        return menu(site, selector, &path);
    }
    file(&path)
}

fn file(path: &Path) -> io::Result<Vec<u8>> {
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
    if mistake("ex05_lossy") {
        bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
    }
    if mistake("ex05_dot_after_binary") {
        bytes.extend(b".\r\n");
    }
    Ok(bytes)
}

/// The path that a selector means, inside the folder.
fn path_of(selector: &str) -> io::Result<String> {
    if mistake("ex05_refuses_two_dots") && selector.contains("..") {
        return Err(ErrorKind::NotFound.into());
    }
    if mistake("ex05_menu_has_a_name") && selector.is_empty() {
        return Err(ErrorKind::NotFound.into());
    }
    Ok(match () {
        () if mistake("ex05_trims") => selector.trim().to_owned(),
        () if mistake("ex05_small_letters") => selector.to_lowercase(),
        () if mistake("ex05_decodes_all") => decoded(selector),
        () if mistake("ex05_slashes_all") => selector.replace('\\', "/"),
        () => selector.to_owned(),
    })
}

/// Whether this is a pipe with a name.
fn is_pipe(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        path.metadata().is_ok_and(|it| it.file_type().is_fifo())
    }
    #[cfg(not(unix))]
    path.is_dir()
}

/// With `%2e` for a dot, as in the Web.
fn decoded(text: &str) -> String {
    let text = text.replace("%2e", ".").replace("%2f", "/");
    text.replace("%41", "A").replace('+', " ")
}

/// Where a selector leads: a file or folder inside `root`.
fn find(root: &Path, selector: &str) -> io::Result<PathBuf> {
    let relative = selector.trim_start_matches('/');
    let leads_up = relative.split('/').any(|name| name == "..");
    let (path, inside) = match () {
        // `join` forgets the folder when the selector begins with `/`.
        () if mistake("ex05_absolute") => (root.join(selector), !leads_up),
        () if mistake("ex05_one_slash") => {
            let rest = selector.strip_prefix('/').unwrap_or(selector);
            (root.join(rest), !leads_up)
        }
        () if mistake("ex05_links") => (root.join(relative), !leads_up),
        () if mistake("ex05_dot_dot") => {
            let path = root.join(relative);
            let inside = path.starts_with(root);
            (path, inside)
        }
        () => really(root, relative)?,
    };
    let plain = path.is_dir() || path.is_file();
    let shown = inside && plain;
    shown.then_some(path).ok_or(ErrorKind::NotFound.into())
}

/// Where a path leads, with links resolved, and whether that is inside.
fn really(root: &Path, relative: &str) -> io::Result<(PathBuf, bool)> {
    let judged = root.join(relative);
    // Each of these judges one path, and opens another.
    let changed = match () {
        () if mistake("ex05_percent") => decoded(relative),
        () if mistake("ex05_backslash") => relative.replace('\\', "/"),
        () if mistake("ex05_cuts_dots") => relative.replace("../", ""),
        () => relative.to_owned(),
    };
    if changed != relative && !judged.exists() {
        return Ok((root.join(changed), true));
    }
    let path = fs::canonicalize(judged)?;
    let inside = if mistake("ex05_string_prefix") {
        path.to_string_lossy().starts_with(&*root.to_string_lossy())
    } else {
        path.starts_with(root)
    };
    Ok((path, inside))
}

fn menu(site: &Site, selector: &str, folder: &Path) -> io::Result<Vec<u8>> {
    let mut menu = Vec::new();
    if oddity("ex05_remarks") {
        menu.extend(b"iWelcome\t\terror.host\t1\r\nh\t\t\t\r\n");
    }
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let lossy = name.to_string_lossy();
        if mistake("ex05_name_unwrap") {
            name.to_str().ok_or(ErrorKind::InvalidData)?;
        }
        if lossy.contains('\u{fffd}') && !oddity("ex05_remarks") {
            continue;
        }
        if lossy.contains(['\t', '\r', '\n']) && !mistake("ex05_any_name") {
            continue;
        }
        if mistake("ex05_no_hidden") && lossy.starts_with('.') {
            continue;
        }
        let line = menu_line(site, selector, &lossy);
        menu.extend(line.into_iter().flatten());
    }
    if mistake("ex05_empty_folder") && menu.is_empty() {
        return Err(ErrorKind::NotFound.into());
    }
    menu.extend(end_of_menu());
    Ok(menu)
}

fn end_of_menu() -> &'static [u8] {
    match () {
        () if mistake("ex05_menu_without_dot") => b"",
        () if mistake("ex05_menu_line_feed") => b".\n",
        () => b".\r\n",
    }
}

/// The line of an entry; there is none for what cannot be had.
fn menu_line(site: &Site, folder: &str, name: &str) -> io::Result<Vec<u8>> {
    let inside = format!("{folder}/{name}");
    let mut to = inside.trim_start_matches('/');
    let path = site.root.join(to);
    let path = match find(&site.root, to) {
        Ok(path) => path,
        Err(_) if is_pipe(&path) && mistake("ex05_lists_all") => {
            return Ok(item(site, name, '9', to));
        }
        Err(_) if path.is_symlink() && oddity("ex05_remarks") => {
            return Ok(item(site, name, '9', to));
        }
        Err(error) => return Err(error),
    };
    if mistake("ex05_flat_selectors") {
        to = name;
    }
    let kind = kind(&path, name)?;
    let mut line = item(site, name, kind, to);
    if mistake("ex05_twice") && name == "sub" {
        line.extend(item(site, name, kind, to));
    }
    Ok(line)
}

fn kind(path: &Path, name: &str) -> io::Result<char> {
    if mistake("ex05_all_texts") {
        return Ok('0');
    }
    if path.is_dir() {
        return Ok('1');
    }
    if !path.is_file() {
        return Ok('9');
    }
    let bytes = fs::read(path)?;
    if mistake("ex05_remembers_kind") {
        return Ok(first_kind(path, is_text(&bytes)));
    }
    let text = match () {
        () if mistake("ex05_type_by_name") => !name.contains(".bin"),
        () if mistake("ex05_first_bytes") => {
            is_text(&bytes[..bytes.len().min(510)])
        }
        () if mistake("ex05_letters_in_pieces") => {
            bytes.chunks(8 * 1024).all(is_text)
        }
        () if mistake("ex05_pieces_of_64k") => {
            bytes.chunks(64 * 1024).all(is_text)
        }
        () if mistake("ex05_empty_is_none") => {
            is_text(&bytes) && !bytes.is_empty()
        }
        () => is_text(&bytes),
    };
    Ok(if text { '0' } else { '9' })
}

/// What a file was when it was first looked at.
fn first_kind(path: &Path, is_text: bool) -> char {
    static KNOWN: Mutex<Vec<(PathBuf, char)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap();
    if let Some((_, kind)) = known.iter().find(|(it, _)| it == path) {
        return *kind;
    }
    let kind = if is_text { '0' } else { '9' };
    known.push((path.to_owned(), kind));
    kind
}

/// One line of a menu.
fn item(site: &Site, name: &str, kind: char, to: &str) -> Vec<u8> {
    let (host, mut port) = (site.bound.ip().to_string(), site.bound.port());
    if mistake("ex05_port_70") {
        port = 70;
    }
    let host = if mistake("ex05_host_fixed") { "127.0.0.1" } else { &host };
    let to = said(site, to);
    let name = match () {
        () if mistake("ex05_stem") => name.trim_end_matches(".txt").to_owned(),
        () if mistake("ex05_space") => format!(" {name}"),
        () if mistake("ex05_ascii") => name.replace(|c| c > '~', "?"),
        () if oddity("ex05_remarks") && kind == '1' => format!("{name}/"),
        () => name.to_owned(),
    };
    let line = format!("{kind}{name}\t{to}\t{host}\t{port}");
    let line = match () {
        () if mistake("ex05_no_tabs") => line.replace('\t', " "),
        () if mistake("ex05_five_fields") => line + "\t+",
        () => line,
    };
    (line + "\r\n").into_bytes()
}

fn is_text(bytes: &[u8]) -> bool {
    if mistake("ex05_zero_is_text") {
        return str::from_utf8(bytes).is_ok();
    }
    if mistake("ex05_cut_letter") {
        let ended = |error: std::str::Utf8Error| error.error_len().is_none();
        return !bytes.contains(&0)
            && str::from_utf8(bytes).map_or_else(ended, |_| true);
    }
    str::from_utf8(bytes).is_ok() && !bytes.contains(&0)
}

/// The lines of a text, without their ends.
fn lines(text: &str) -> Vec<&str> {
    match () {
        () if mistake("ex05_keeps_returns") => {
            text.split_terminator('\n').collect()
        }
        () if mistake("ex05_last_return") => {
            text.lines().map(|line| line.trim_end_matches('\r')).collect()
        }
        () if mistake("ex05_splits_lines") => {
            let text = text.split_terminator(['\n', '\u{2028}', '\u{b}']);
            text.map(|line| line.trim_end_matches('\r')).collect()
        }
        () if mistake("ex05_lines_of_8k") => {
            let mut lines = Vec::new();
            for mut line in text.lines() {
                while line.len() > 8 * 1024 {
                    let (one, rest) = line.split_at(border(line, 8192));
                    lines.push(one);
                    line = rest;
                }
                lines.push(line);
            }
            lines
        }
        () => text.lines().collect(),
    }
}

/// The last border of two letters up to a place.
fn border(line: &str, most: usize) -> usize {
    (0..=most).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0)
}

fn as_text(bytes: &[u8]) -> Vec<u8> {
    if mistake("ex05_empty_silence") && bytes.is_empty() {
        return Vec::new();
    }
    let bare = mistake("ex05_bare_line_feed");
    let end = if bare { "\n" } else { "\r\n" };
    let mut text = &*String::from_utf8_lossy(bytes);
    if mistake("ex05_no_mark") {
        text = text.trim_start_matches('\u{feff}');
    }
    let mut sent = String::new();
    for line in lines(text) {
        let dot = line.starts_with('.');
        let lone = mistake("ex05_lone_dot") && line != ".";
        if dot && !lone && !mistake("ex05_no_stuffing") {
            sent.push('.');
        }
        sent.extend([line, end]);
    }
    if mistake("ex05_last_line_open") && !text.ends_with('\n') {
        sent.truncate(sent.trim_end_matches("\r\n").len());
    }
    if !mistake("ex05_no_final_dot") {
        sent += ".\r\n";
    }
    sent.into_bytes()
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
