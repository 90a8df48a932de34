//! Odd: one thread and non-blocking sockets, plain std, no Ctrl-C handling.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().collect();
    let flag = |name: &str, default: &str| {
        let at = args.iter().position(|arg| arg == name);
        let value = at.and_then(|at| args.get(at + 1));
        value.map_or(default.to_owned(), Clone::clone)
    };
    let root = fs::canonicalize(flag("--dir", "."))?;
    let at =
        format!("{}:{}", flag("--host", "127.0.0.1"), flag("--port", "70"));
    let listener = TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    println!("[LISTENING] {address}");

    let mut guests = Vec::new();
    loop {
        while let Ok((stream, _)) = listener.accept() {
            guests.push(Guest::new(stream));
        }
        guests.retain_mut(|guest| {
            let stays = guest.until > Instant::now();
            stays && guest.go_on(&root, address).is_ok()
        });
        thread::sleep(Duration::from_millis(1));
    }
}

struct Guest {
    stream: TcpStream,
    until: Instant,
    stage: Stage,
}

enum Stage {
    Asks(Vec<u8>),
    Hears(Vec<u8>, usize),
    Leaves,
}

impl Guest {
    fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nonblocking(true);
        let until = Instant::now() + PATIENCE;
        Self { stream, until, stage: Stage::Asks(Vec::new()) }
    }

    /// As far as it goes without waiting; an error ends the visit.
    fn go_on(&mut self, root: &Path, address: SocketAddr) -> io::Result<()> {
        loop {
            let moved = match &self.stage {
                Stage::Asks(_) => self.hear(root, address),
                Stage::Hears(..) => self.tell(),
                Stage::Leaves => self.stream.read(&mut [0; 512]),
            };
            match moved {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// One more byte of the selector; the last one brings the answer.
    fn hear(&mut self, root: &Path, address: SocketAddr) -> io::Result<usize> {
        let Stage::Asks(line) = &mut self.stage else { return Ok(1) };
        let mut byte = [0];
        let count = self.stream.read(&mut byte)?;
        line.extend(&byte[..count]);
        if count > 0 && (byte == *b"\n" || line.len() > 4000) {
            let answer = answer(line, root, address);
            self.stage = Stage::Hears(answer, 0);
        }
        Ok(count)
    }

    /// Some more of the answer; behind the last of it, our side ends.
    fn tell(&mut self) -> io::Result<usize> {
        let Stage::Hears(answer, sent) = &mut self.stage else { return Ok(1) };
        if *sent < answer.len() {
            let count = self.stream.write(&answer[*sent..])?;
            *sent += count;
            self.until = Instant::now() + PATIENCE;
            return Ok(count);
        }
        self.stream.shutdown(Shutdown::Write)?;
        self.until = Instant::now() + Duration::from_secs(1);
        self.stage = Stage::Leaves;
        Ok(1)
    }
}

/// Selectors begin with the type: `1/more`, `0/more/inner.txt`.
fn answer(line: &[u8], root: &Path, address: SocketAddr) -> Vec<u8> {
    let line = String::from_utf8_lossy(line);
    let asked = line.trim_end_matches(['\r', '\n']);
    let asked = if asked.is_empty() { "1" } else { asked };
    let Some((kind, path)) = asked.split_at_checked(1) else {
        return b"3??\t\terror.host\t1\r\n.\r\n".to_vec();
    };
    let mut lines = match look(root, path) {
        Ok((real, ("1", _))) if kind == "1" => menu(root, path, &real, address),
        Ok((_, ("0", bytes))) if kind == "0" => text(&bytes),
        Ok((_, ("9", bytes))) if kind == "9" => return bytes,
        _ => return b"3?\t\terror.host\t1\r\n.\r\n".to_vec(),
    };
    lines.push(".\r\n".to_owned());
    lines.join("\r\n").into_bytes()
}

/// The lines of a folder's menu, the last names first.
fn menu(
    root: &Path,
    path: &str,
    folder: &Path,
    address: SocketAddr,
) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.filter_map(|e| e.file_name().into_string().ok());
    let lines = names.filter_map(|name| {
        let path = format!("{path}/{name}");
        let (_, (kind, _)) = look(root, &path).ok()?;
        let (ip, port) = (address.ip(), address.port());
        let fields = format!("{kind}{name}\t{kind}{path}\t{ip}\t{port}");
        (!name.contains(['\t', '\r', '\n'])).then_some(fields)
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort_by(|one, other| other.cmp(one));
    lines
}

/// The lines of a text, with their dots.
fn text(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let dot = |line: &str| if line.starts_with('.') { "." } else { "" };
    text.lines().map(|line| format!("{}{line}", dot(line))).collect()
}

/// The real path, the type, and the bytes of a file.
fn look(
    root: &Path,
    path: &str,
) -> io::Result<(PathBuf, (&'static str, Vec<u8>))> {
    let real = fs::canonicalize(format!("{}/{path}", root.display()))?;
    if !real.starts_with(root) {
        return Err(ErrorKind::PermissionDenied.into());
    }
    if real.is_dir() {
        return Ok((real, ("1", Vec::new())));
    }
    if !real.is_file() {
        return Err(ErrorKind::NotFound.into());
    }
    let bytes = fs::read(&real)?;
    let text = !bytes.contains(&0) && str::from_utf8(&bytes).is_ok();
    Ok((real, (if text { "0" } else { "9" }, bytes)))
}
