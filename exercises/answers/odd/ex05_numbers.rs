//! Odd: selectors are numbers out of a catalogue, and the output is noisy.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Parser;
use first_socket::cli::{Address, Limits};
use first_socket::clients::{Client, Clients};
use first_socket::report::{self, Failure};
use first_socket::shutdown::Shutdown;

const SORRY: &[u8] = b"3There is no such number.\t\terror.host\t1\r\n.\r\n";

/// Shows a folder by numbers
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// What was listed in a menu so far: its number is the selector.
struct Catalogue {
    paths: Mutex<Vec<PathBuf>>,
    place: String,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    noise();
    let (listener, address) = args.address.listen()?;
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    let root = fs::canonicalize(&args.dir)
        .map_err(|error| Failure::new("no folder", error, "Check --dir."))?;
    report::listening(address);
    noise();
    let _ = thread::Builder::new().spawn(|| {
        loop {
            noise();
            thread::sleep(Duration::from_millis(500));
        }
    });
    let place = format!("{}\t{}", address.ip(), address.port());
    let site = Catalogue { paths: Mutex::new(vec![root]), place };
    let limits = Limits { max_clients: 200, timeout: 90 };
    let clients = Clients::new(&limits, SORRY, &stop);
    clients.serve(listener, |client| site.serve(client));
    Ok(())
}

/// 128 KiB on stdout, and as many on stderr.
fn noise() {
    let line = format!("{}\n", "gopher ".repeat(18));
    for _ in 0..1024 {
        let _ = io::stdout().write_all(line.as_bytes());
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

impl Catalogue {
    fn serve(&self, client: &Client<'_>) -> io::Result<()> {
        let mut line = Vec::new();
        BufReader::new(client.timed().take(64)).read_until(10, &mut line)?;
        let answer = match &*String::from_utf8_lossy(&line) {
            "\r\n" => self.open(0),
            asked => match asked.trim_end().strip_prefix("no. ") {
                Some(number) => number.parse().ok().and_then(|n| self.open(n)),
                None => None,
            },
        };
        let mut answer = answer.unwrap_or(Box::new(SORRY));
        let mut piece = [0; 10_000];
        loop {
            let count = answer.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            client.timed().write_all(&piece[..count])?;
        }
    }

    fn open(&self, number: usize) -> Option<Box<dyn Read>> {
        let lock = self.paths.lock();
        let mut paths = lock.unwrap_or_else(PoisonError::into_inner);
        let path = paths.get(number)?.clone();
        if !path.is_dir() {
            drop(paths);
            let text = text(&path).ok()?;
            return Some(match text {
                Some(text) => Box::new(io::Cursor::new(stuffed(&text))),
                None => Box::new(File::open(path).ok()?),
            });
        }
        let mut menu = Vec::new();
        for entry in fs::read_dir(path).ok()?.flatten() {
            let real = fs::canonicalize(entry.path()).ok();
            let Some(real) = real.filter(|r| r.starts_with(&paths[0])) else {
                continue;
            };
            let kind = match text(&real) {
                _ if real.is_dir() => 1,
                Err(_) => continue,
                Ok(text) => 9 * u8::from(text.is_none()),
            };
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.contains(['\t', '\r', '\n']) {
                continue;
            }
            let known = paths.iter().position(|path| *path == real);
            let at = known.unwrap_or(paths.len());
            if at == paths.len() {
                paths.push(real);
            }
            let place = &self.place;
            write!(menu, "{kind}{name}\tno. {at}\t{place}\r\n").ok()?;
        }
        menu.extend(b".\r\n");
        Some(Box::new(io::Cursor::new(menu)))
    }
}

/// An error if it is no file, and nothing if it is no text.
fn text(path: &Path) -> io::Result<Option<String>> {
    if !path.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let text = String::from_utf8(fs::read(path)?).ok();
    Ok(text.filter(|text| !text.contains('\0')))
}

fn stuffed(text: &str) -> String {
    let lines = text.lines().map(|line| {
        if line.starts_with('.') { format!(".{line}") } else { line.to_owned() }
    });
    let lines = lines.chain([".".to_owned()]);
    lines.map(|line| line + "\r\n").collect()
}
