//! Odd: writes byte by byte, and sleeps before it listens. Plain std.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, thread};

/// So many bytes leave one by one, the rest in odd pieces.
const SINGLE: usize = 2000;

fn main() -> io::Result<()> {
    let (mut host, mut port) = ("127.0.0.1".to_owned(), "7070".to_owned());
    let mut dir = ".".to_owned();
    let mut args = env::args().skip(1);
    while let (Some(flag), Some(value)) = (args.next(), args.next()) {
        match &*flag {
            "--host" => host = value,
            "--port" => port = value,
            _ => dir = value,
        }
    }
    let root = fs::canonicalize(dir)?;
    thread::sleep(Duration::from_secs(1));
    let listener = TcpListener::bind(format!("{host}:{port}"))?;
    println!("[LISTENING] {}", listener.local_addr()?);
    for stream in listener.incoming().flatten() {
        let root = root.clone();
        let _ = thread::Builder::new().spawn(move || talk(&stream, &root));
    }
    Ok(())
}

fn talk(mut stream: &TcpStream, root: &Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.set_write_timeout(Some(Duration::from_secs(120)))?;
    let mut line = String::new();
    let read = BufReader::new(stream.take(3000)).read_line(&mut line);
    let reply = match read {
        Ok(_) => reply(stream, root, line.trim_end_matches(['\r', '\n'])),
        Err(_) => None,
    };
    let sorry = b"3you will not find this here\t\terror.host\t1\r\n.\r\n";
    let reply = reply.unwrap_or(sorry.to_vec());
    let (slow, quick) = reply.split_at(SINGLE.min(reply.len()));
    for piece in slow.chunks(1).chain(quick.chunks(997)) {
        stream.write_all(piece)?;
    }
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    // Unread bytes would reset the connection.
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    Ok(())
}

fn reply(stream: &TcpStream, root: &Path, asked: &str) -> Option<Vec<u8>> {
    let path = inside(root, &root.join(asked))?;
    if path.is_file() {
        let bytes = fs::read(path).ok()?;
        return Some(if text(&bytes) { lines(&bytes) } else { bytes });
    }
    let here = stream.local_addr().ok()?;
    let mut menu = Vec::new();
    for entry in fs::read_dir(&path).ok()?.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some(real) = inside(root, &entry.path()) else { continue };
        // No slash in front: `more/inner.txt`.
        let to = Path::new(asked).join(&name).display().to_string();
        let kind = match fs::read(&real) {
            _ if real.is_dir() => '1',
            Ok(bytes) if text(&bytes) => '0',
            Ok(_) => '9',
            Err(_) => continue,
        };
        if !name.contains(['\t', '\r', '\n']) {
            let (ip, port) = (here.ip(), here.port());
            menu.push(format!("{kind}{name}\t{to}\t{ip}\t{port}\r\n"));
        }
    }
    Some((menu.concat() + ".\r\n").into_bytes())
}

/// The real path, if it is a file or a folder under the root.
fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok()?;
    let plain = real.is_file() || real.is_dir();
    (plain && real.ancestors().any(|above| above == root)).then_some(real)
}

fn text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && str::from_utf8(bytes).is_ok()
}

fn lines(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
        out.extend(b"\r\n");
    }
    out.extend(b".\r\n");
    out
}
