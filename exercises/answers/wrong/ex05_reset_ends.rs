//! Wrong: one loop serves all, and the error of one client ends the loop.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure};

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

/// A client: what came, what is still to be sent, and when all was sent.
struct Guest {
    connection: TcpStream,
    line: Vec<u8>,
    answer: Vec<u8>,
    sent: usize,
    left: Option<Instant>,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    let failed = |error| Failure::new("the server ends", error, "Sorry.");
    let root = fs::canonicalize(&args.dir).map_err(failed)?;
    report::listening(address);
    poll(&listener, &root, address).map_err(failed)
}

fn poll(listener: &TcpListener, root: &Path, at: SocketAddr) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut guests: Vec<Guest> = Vec::new();
    loop {
        while let Ok((connection, _)) = listener.accept() {
            connection.set_nonblocking(true)?;
            let (line, answer) = (Vec::new(), Vec::new());
            guests.push(Guest {
                connection,
                line,
                answer,
                sent: 0,
                left: None,
            });
        }
        let mut staying = Vec::new();
        for mut guest in guests {
            if guest.step(root, at)? {
                staying.push(guest);
            }
        }
        guests = staying;
        thread::sleep(Duration::from_millis(2));
    }
}

impl Guest {
    /// Does what can be done without waiting; says whether the guest stays.
    fn step(&mut self, root: &Path, at: SocketAddr) -> io::Result<bool> {
        let mut piece = [0; 1024];
        loop {
            match self.connection.read(&mut piece) {
                Ok(0) if self.answer.is_empty() || self.left.is_some() => {
                    return Ok(false);
                }
                Ok(0) => break,
                Ok(count) if self.line.len() < 5000 => {
                    self.line.extend(&piece[..count]);
                }
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let whole = self.line.contains(&b'\n') || self.line.len() >= 5000;
        if self.answer.is_empty() && whole {
            let line = self.line.split(|byte| *byte == b'\n').next();
            let line = String::from_utf8_lossy(line.unwrap_or_default());
            let found = answer(root, at, line.trim_end_matches('\r'));
            self.answer = found.unwrap_or(NOT_FOUND.to_vec());
        }
        while self.sent < self.answer.len() {
            match self.connection.write(&self.answer[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
        }
        if !self.answer.is_empty() && self.left.is_none() {
            self.connection.shutdown(Shutdown::Write)?;
            self.left = Some(Instant::now());
        }
        Ok(self.left.is_none_or(|left| left.elapsed().as_secs() < 1))
    }
}

fn answer(root: &Path, at: SocketAddr, selector: &str) -> io::Result<Vec<u8>> {
    let path = inside(root, selector)?;
    if path.is_dir() {
        let mut menu = Vec::new();
        for entry in fs::read_dir(path)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            let to = format!("{selector}/{name}");
            if name.contains(['\t', '\r', '\n']) {
                continue;
            }
            let Ok(path) = inside(root, &to) else { continue };
            let kind = if path.is_dir() {
                1
            } else if text(&fs::read(path)?).is_some() {
                0
            } else {
                9
            };
            let (host, port) = (at.ip(), at.port());
            write!(menu, "{kind}{name}\t{to}\t{host}\t{port}\r\n")?;
        }
        menu.extend(b".\r\n");
        return Ok(menu);
    }
    let bytes = fs::read(path)?;
    let Some(text) = text(&bytes) else { return Ok(bytes) };
    let mut lines = Vec::new();
    for line in text.lines() {
        let dot = if line.starts_with('.') { "." } else { "" };
        write!(lines, "{dot}{line}\r\n")?;
    }
    lines.extend(b".\r\n");
    Ok(lines)
}

fn inside(root: &Path, selector: &str) -> io::Result<PathBuf> {
    let path = fs::canonicalize(root.join(selector.trim_matches('/')))?;
    let plain = path.is_dir() || path.is_file();
    let refused = ErrorKind::PermissionDenied;
    if plain && path.starts_with(root) { Ok(path) } else { Err(refused.into()) }
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}
