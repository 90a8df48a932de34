//! Wrong: menus name the usual port of Gopher, 70, wherever the server listens.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::Builder;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::hang_up::hang_up;
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

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let root = fs::canonicalize(&args.dir).map_err(|error| {
        Failure::new("cannot open the folder", error, "Check --dir.")
    })?;
    let (listener, address) = args.address.listen()?;
    report::listening(address);

    for connection in listener.incoming().flatten() {
        let root = root.clone();
        let visit = move || serve(&connection, &root, address);
        let _ = Builder::new().spawn(visit);
    }
    Ok(())
}

/// Answers one selector.
fn serve(
    mut connection: &TcpStream,
    root: &Path,
    address: SocketAddr,
) -> io::Result<()> {
    let mut line = Vec::new();
    BufReader::new(connection.take(4096)).read_until(b'\n', &mut line)?;
    let line = String::from_utf8_lossy(&line);
    let selector = line.trim_end_matches(['\r', '\n']);

    let answer = answer(root, address, selector);
    connection.write_all(answer.as_deref().unwrap_or(NOT_FOUND))?;
    hang_up(connection)
}

fn answer(
    root: &Path,
    address: SocketAddr,
    selector: &str,
) -> io::Result<Vec<u8>> {
    let path = find(root, selector)?;
    if path.is_dir() {
        return menu(root, address, selector, &path);
    }
    let bytes = fs::read(path)?;
    Ok(if is_text(&bytes) { as_text(&bytes) } else { bytes })
}

/// Where a selector leads: a file or folder inside `root`.
fn find(root: &Path, selector: &str) -> io::Result<PathBuf> {
    let path = root.join(selector.trim_start_matches('/'));
    let path = fs::canonicalize(path)?;
    if path.starts_with(root) && (path.is_dir() || path.is_file()) {
        return Ok(path);
    }
    Err(io::Error::other("not allowed"))
}

fn menu(
    root: &Path,
    address: SocketAddr,
    selector: &str,
    folder: &Path,
) -> io::Result<Vec<u8>> {
    let host = address.ip();
    let mut menu = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let to = format!("{}/{name}", selector.trim_end_matches('/'));
        if name.contains(['\t', '\r', '\n']) {
            continue;
        }
        let Ok(path) = find(root, &to) else { continue };
        let kind = kind(&path)?;
        write!(menu, "{kind}{name}\t{to}\t{host}\t70\r\n")?;
    }
    menu.extend(b".\r\n");
    Ok(menu)
}

fn kind(path: &Path) -> io::Result<char> {
    if path.is_dir() {
        return Ok('1');
    }
    Ok(if is_text(&fs::read(path)?) { '0' } else { '9' })
}

fn is_text(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok() && !bytes.contains(&0)
}

/// Lines that end with `\r\n`, with stuffed dots, and the dot at the end.
fn as_text(bytes: &[u8]) -> Vec<u8> {
    let mut lines = String::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        if line.starts_with('.') {
            lines.push('.');
        }
        lines += line;
        lines += "\r\n";
    }
    lines += ".\r\n";
    lines.into_bytes()
}
