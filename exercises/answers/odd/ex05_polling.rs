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
            let _ = stream.set_nonblocking(true);
            let until = Instant::now() + PATIENCE;
            guests.push(Guest {
                stream,
                until,
                stage: Stage::Asks(Vec::new()),
            });
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
    /// As far as it goes without waiting; an error ends the visit.
    fn go_on(&mut self, root: &Path, address: SocketAddr) -> io::Result<()> {
        loop {
            let moved = match &mut self.stage {
                Stage::Asks(line) => {
                    let mut byte = [0];
                    let got = self.stream.read(&mut byte);
                    line.extend(byte);
                    if matches!(got, Ok(1))
                        && (byte == *b"\n" || line.len() > 4000)
                    {
                        let answer = answer(line, root, address);
                        self.stage = Stage::Hears(answer, 0);
                    } else if !matches!(got, Ok(1)) {
                        line.pop();
                    }
                    got
                }
                Stage::Hears(answer, sent) if *sent < answer.len() => {
                    let moved = self.stream.write(&answer[*sent..]);
                    let count = moved.as_ref().unwrap_or(&0);
                    *sent += count;
                    if *count > 0 {
                        self.until = Instant::now() + PATIENCE;
                    }
                    moved
                }
                Stage::Hears(..) => {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.until = Instant::now() + Duration::from_secs(1);
                    self.stage = Stage::Leaves;
                    Ok(1)
                }
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
}

/// Selectors begin with the type: `1/more`, `0/more/inner.txt`.
fn answer(line: &[u8], root: &Path, address: SocketAddr) -> Vec<u8> {
    let line = String::from_utf8_lossy(line);
    let asked = line.trim_end_matches(['\r', '\n']);
    let asked = if asked.is_empty() { "1" } else { asked };
    let (path, item) = match asked.split_at_checked(1) {
        Some((kind, path)) => match look(root, path) {
            Ok((real, item)) if item.0 == kind => ((path, real), item),
            _ => return b"3?\t\terror.host\t1\r\n.\r\n".to_vec(),
        },
        None => return b"3??\t\terror.host\t1\r\n.\r\n".to_vec(),
    };
    let mut lines: Vec<String> = match item {
        ("1", _) => {
            let names = fs::read_dir(path.1).into_iter().flatten().flatten();
            let names = names.filter_map(|e| e.file_name().into_string().ok());
            let lines = names.filter_map(|name| {
                let path = format!("{}/{name}", path.0);
                let (_, (kind, _)) = look(root, &path).ok()?;
                let (ip, port) = (address.ip(), address.port());
                let fields =
                    format!("{kind}{name}\t{kind}{path}\t{ip}\t{port}");
                (!name.contains(['\t', '\r', '\n'])).then_some(fields)
            });
            lines.collect()
        }
        ("0", bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let dots = text.lines().map(|l| {
                if l.starts_with('.') { ".".to_owned() + l } else { l.into() }
            });
            dots.collect()
        }
        (_, bytes) => return bytes,
    };
    if item_is_menu(asked) {
        lines.sort_by(|one, other| other.cmp(one));
    }
    lines.push(".\r\n".to_owned());
    lines.join("\r\n").into_bytes()
}

fn item_is_menu(asked: &str) -> bool {
    asked.starts_with('1')
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
