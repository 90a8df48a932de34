//! The client of lesson 05: sends files and prints the server's replies, READY
//! and SAVED, or ERROR.
//!
//! `cargo run -q --bin 05_client README.md Cargo.toml`

// ANCHOR: uses
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use first_socket::cli::{Address, PATIENCE};
use first_socket::deadline::Timed;
use first_socket::message;
use first_socket::report::{self, Failure, Printer, Tag};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// The most bytes that are read and sent at once, however large the file.
const CHUNK: usize = 256 * 1024;

/// How long a receipt may take: the content must be on the server's disk.
const DISK_TIME: Duration = Duration::from_secs(600);

/// What the progress bar shows; it is drawn on a terminal only.
const BAR: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}";
// ANCHOR_END: uses

// ANCHOR: run
/// Sends files to a server
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// A file to send; it arrives under its own name, without its folder
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let connection = args.address.connect()?;
    let printer = Printer::default();
    let mut sender = Sender { connection, address: &args.address, printer };
    let mut saved = 0;
    for path in &args.files {
        if sender.send(path)? {
            saved += 1;
        }
    }
    if saved == args.files.len() {
        return Ok(());
    }
    Err(Failure::new(
        "not every file has arrived",
        format!("{saved} of {} are saved", args.files.len()),
        "The lines above say why. Send only the others again.",
    ))
}
// ANCHOR_END: run

// ANCHOR: send
struct Sender<'a> {
    connection: TcpStream,
    address: &'a Address,
    printer: Printer,
}

impl Sender<'_> {
    /// Offers one file, sends its content, and waits for the receipt. Returns
    /// whether the file is saved; an error ends the connection.
    fn send(&mut self, path: &Path) -> Result<bool, Failure> {
        let (name, mut file, size) = match open(path) {
            Ok(opened) => opened,
            Err(error) => {
                let shown =
                    report::escaped(path.as_os_str().as_encoded_bytes());
                let text = format!("{shown}: {}", report::why(&error));
                report::remark(Tag::Error, text);
                return Ok(false);
            }
        };
        // Name and size leave in one write: see `message::write`.
        let mut offer = message::framed(name.as_bytes());
        offer.extend_from_slice(message::header(size).as_bytes());
        self.write(&offer)?;
        if self.hear(PATIENCE)? != b"READY" {
            return Ok(false);
        }
        self.send_content(name, &mut file, size)?;
        let shown = report::escaped(name.as_bytes());
        report::remark(Tag::Sent, format!("{size} bytes of {shown}"));
        Ok(self.hear(DISK_TIME)?.starts_with(b"SAVED "))
    }
    // ANCHOR_END: send

    // ANCHOR: content
    /// Sends `size` bytes of `file`; no more, even if it grows meanwhile.
    fn send_content(
        &self,
        name: &str,
        file: &mut File,
        size: u64,
    ) -> Result<(), Failure> {
        let style = ProgressStyle::with_template(BAR)
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(size)
            .with_style(style)
            .with_message(report::escaped(name.as_bytes()))
            .with_finish(ProgressFinish::AndClear);
        let mut chunk = vec![0; CHUNK];
        let mut sent = 0;
        while sent < size {
            let count = match file.take(size - sent).read(&mut chunk) {
                Ok(0) => return Err(cannot_read(name, "it became shorter")),
                Ok(count) => count,
                Err(error) => {
                    return Err(cannot_read(name, &report::why(&error)));
                }
            };
            self.write(&chunk[..count])?;
            sent += count as u64;
            bar.inc(count as u64);
        }
        Ok(())
    }
    // ANCHOR_END: content

    // ANCHOR: wire
    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        Timed::new(&self.connection, PATIENCE)
            .write_all(bytes)
            .map_err(|error| self.address.went_away(&error))
    }

    /// Reads one reply, and prints it as a line.
    fn hear(&mut self, patience: Duration) -> Result<Vec<u8>, Failure> {
        let mut timed = Timed::new(&self.connection, patience);
        let reply = message::read(&mut timed, message::DEFAULT_LIMIT)
            .map_err(io::Error::from)
            .and_then(|reply| reply.ok_or(ErrorKind::UnexpectedEof.into()))
            .map_err(|error| self.address.went_away(&error))?;
        self.printer.print(&reply)?;
        self.printer.print(b"\n")?;
        Ok(reply)
    }
}
// ANCHOR_END: wire

// ANCHOR: file
/// The server waits for bytes that do not exist: the connection must end.
fn cannot_read(name: &str, why: &str) -> Failure {
    let shown = report::escaped(name.as_bytes());
    let what = format!("cannot read {shown} to its end");
    Failure::new(what, why, "Send it again while nothing changes it.")
}

/// The name, the opened file and its size.
fn open(path: &Path) -> io::Result<(&str, File, u64)> {
    // A pipe or a device has no size, and opening one may wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other(
            "this is a folder or a device, not a file",
        ));
    }
    let name = path.file_name().and_then(OsStr::to_str);
    let name = name.ok_or(io::Error::other("the name is not UTF-8"))?;
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((name, file, size))
}
// ANCHOR_END: file
