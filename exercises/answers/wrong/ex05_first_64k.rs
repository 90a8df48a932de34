//! Wrong: one read fills the buffer: no more than 64 KiB of a file are sent.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use first_socket::cli::{Address, Limits};
use first_socket::clients::{Client, Clients};
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

const ERROR: &str = "3no such thing\t\terror.host\t1\r\n.\r\n";

/// Shows a folder to clients who speak Gopher
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    #[command(flatten)]
    limits: Limits,

    /// The folder that is shown
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// The folder, and where the server listens.
struct Site {
    root: PathBuf,
    bound: SocketAddr,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let root = args.dir.canonicalize().map_err(|error| {
        Failure::new(args.dir.display(), report::why(&error), "Check --dir.")
    })?;
    let (listener, bound) = args.address.listen()?;
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    report::listening(bound);
    let site = Site { root, bound };
    let clients = Clients::new(&args.limits, ERROR.as_bytes(), &stop);
    clients.serve(listener, |client| site.serve(client));
    report::event(Tag::Stopped, &clients);
    Ok(())
}

impl Site {
    fn serve(&self, client: &Client<'_>) -> io::Result<()> {
        let mut line = Vec::new();
        let mut reader = BufReader::new(client.timed().take(5000));
        reader.read_until(b'\n', &mut line)?;
        let asked = line.strip_suffix(b"\r\n").map(str::from_utf8);
        if let Some(Ok(selector)) = asked
            && let Some(path) = self.resolve(selector)
        {
            return match type_of(&path) {
                '1' => self.send_menu(client, selector, &path),
                '0' => send_text(client, &path),
                _ => send_file(client, &path),
            };
        }
        client.timed().write_all(ERROR.as_bytes())
    }

    fn resolve(&self, selector: &str) -> Option<PathBuf> {
        let path = self.root.join(selector.trim_matches('/'));
        let path = path.canonicalize().ok()?;
        let inside = path.starts_with(&self.root);
        (inside && (path.is_dir() || path.is_file())).then_some(path)
    }

    fn send_menu(
        &self,
        client: &Client<'_>,
        selector: &str,
        path: &Path,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in path.read_dir()?.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let child = format!("{}/{name}", selector.trim_end_matches('/'));
            if let Some(path) = self.resolve(&child)
                && !name.contains(char::is_control)
            {
                let (ip, port) = (self.bound.ip(), self.bound.port());
                let item = type_of(&path);
                lines.push(format!("{item}{name}\t{child}\t{ip}\t{port}\r\n"));
            }
        }
        lines.sort();
        lines.push(".\r\n".to_owned());
        client.timed().write_all(lines.concat().as_bytes())
    }
}

fn type_of(path: &Path) -> char {
    if path.is_dir() {
        return '1';
    }
    match fs::read_to_string(path) {
        Ok(text) if !text.contains('\0') => '0',
        _ => '9',
    }
}

fn send_text(client: &Client<'_>, path: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let dot = if line.starts_with('.') { "." } else { "" };
        write!(text, "{dot}{line}\r\n")?;
    }
    text.extend(b".\r\n");
    client.timed().write_all(&text)
}

fn send_file(client: &Client<'_>, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut content = vec![0; 64 * 1024];
    let count = file.read(&mut content)?;
    client.timed().write_all(&content[..count])
}
