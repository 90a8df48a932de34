//! Odd: a pool of threads behind a channel, and percent-encoded selectors.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::flags::Address;
use first_socket::linger::lingering_close;
use first_socket::{events, net};

const THREADS: usize = 64;
const SORRY: &str = "3Nicht gefunden: ¯\\_(ツ)_/¯\t\terror.host\t1\r\n.\r\n";

/// Shows a folder to at most 64 clients
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let failed = |error| Error::new("cannot start", &error, "Try again.");
    let root = fs::canonicalize(&args.dir).map_err(failed)?;
    let (listener, address) = net::listen(&args.address)?;
    let (queue, door) = mpsc::channel();
    let door = Arc::new(Mutex::new(door));
    for _ in 0..THREADS {
        let (door, root) = (Arc::clone(&door), root.clone());
        let work = move || while work(&door, &root).is_some() {};
        Builder::new().spawn(work).map_err(failed)?;
    }
    events::listening(address);
    for stream in listener.incoming().flatten() {
        let _ = queue.send(stream);
    }
    Ok(())
}

/// Serves the next client from the queue.
fn work(door: &Mutex<Receiver<TcpStream>>, root: &Path) -> Option<()> {
    let stream = door.lock().ok()?.recv().ok()?;
    let limit = Some(Duration::from_secs(30));
    let _ = stream.set_read_timeout(limit);
    let _ = stream.set_write_timeout(limit);
    let _ = serve(&stream, root);
    let _ = lingering_close(&stream);
    Some(())
}

fn serve(stream: &TcpStream, root: &Path) -> io::Result<()> {
    let mut line = Vec::new();
    BufReader::new(stream.take(9000)).read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\r\n") else { return Ok(()) };
    let mut out = BufWriter::new(stream);
    match decoded(line).and_then(|name| real(root, &root.join(name))) {
        Some(path) if path.is_dir() => {
            write_menu(&mut out, root, &path, stream)?;
        }
        Some(path) if is_text(&path)? => {
            for line in BufReader::new(File::open(path)?).lines() {
                let line = line?;
                let dot = if line.starts_with('.') { "." } else { "" };
                write!(out, "{dot}{line}\r\n")?;
            }
            out.write_all(b".\r\n")?;
        }
        Some(path) => drop(io::copy(&mut File::open(path)?, &mut out)?),
        None => out.write_all(SORRY.as_bytes())?,
    }
    out.flush()
}

fn write_menu(
    out: &mut impl Write,
    root: &Path,
    folder: &Path,
    stream: &TcpStream,
) -> io::Result<()> {
    let here = stream.local_addr()?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some(path) = real(root, &entry.path()) else { continue };
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let inside = path.strip_prefix(root).ok().and_then(Path::to_str);
        let Some(inside) = inside else { continue };
        let kind = match () {
            () if path.is_dir() => '1',
            () if is_text(&path)? => '0',
            () => '9',
        };
        if name.contains(['\t', '\r', '\n']) {
            continue;
        }
        let (to, ip, port) = (encoded(inside), here.ip(), here.port());
        write!(out, "{kind}{name}\t{to}\t{ip}\t{port}\r\n")?;
    }
    out.write_all(b".\r\n")
}

/// Only letters, digits, `.` and `/` stay as they are.
fn encoded(name: &str) -> String {
    name.bytes().fold(String::from("f="), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"./".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
        text
    })
}

/// The empty selector is the folder itself; the others begin with `f=`.
fn decoded(selector: &[u8]) -> Option<String> {
    if selector.is_empty() {
        return Some(String::new());
    }
    let mut rest = selector.strip_prefix(b"f=")?;
    let mut name = Vec::new();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digits = str::from_utf8(digits).ok()?;
            name.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            name.push(*first);
        }
    }
    String::from_utf8(name).ok()
}

fn real(root: &Path, path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    let plain = path.is_dir() || path.is_file();
    (plain && path.starts_with(root)).then_some(path)
}

fn is_text(path: &Path) -> io::Result<bool> {
    let bytes = fs::read(path)?;
    Ok(!bytes.contains(&0) && str::from_utf8(&bytes).is_ok())
}
