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
use first_socket::errors::{self, Error, why};
use first_socket::escape::{escaped, print};
use first_socket::events::remark;
use first_socket::flags::Address;
use first_socket::message::{self, DEFAULT_LIMIT};
use first_socket::net::{self, CLIENT_TIMEOUT};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// The most bytes that are read and sent at once, however large the file.
const CHUNK: usize = 256 * 1024;

/// How long a receipt may take: the content must be on the server's disk.
const DISK_TIMEOUT: Duration = Duration::from_secs(600);

/// When the server gives up: how long it may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let stream = net::connect(&args.address)?;
    let mut sender = Sender { stream, address: &args.address };
    let mut saved = 0;
    for path in &args.files {
        if sender.send(path)? {
            saved += 1;
        }
    }
    if saved == args.files.len() {
        return Ok(());
    }
    Err(Error::new(
        "not every file has arrived",
        &io::Error::other(format!("{saved} of {} are saved", args.files.len())),
        "The lines above say why. Send only the others again.",
    ))
}
// ANCHOR_END: run

// ANCHOR: send
struct Sender<'a> {
    stream: TcpStream,
    address: &'a Address,
}

impl Sender<'_> {
    /// Offers one file, sends its content, and waits for the receipt. Returns
    /// whether the file is saved; an error ends the connection.
    fn send(&mut self, path: &Path) -> Result<bool, Error> {
        let (name, mut file, size) = match open(path) {
            Ok(opened) => opened,
            Err(error) => {
                let shown = escaped(path.as_os_str().as_encoded_bytes());
                remark("ERROR", format!("{shown}: {}", why(&error)));
                return Ok(false);
            }
        };
        // Name and size leave in one write: see `message::write`.
        let mut offer = message::framed(name.as_bytes());
        offer.extend_from_slice(message::header(size).as_bytes());
        let offered = self.stream.write_all(&offer);
        offered.map_err(|e| net::disconnected(self.address, &e))?;
        if self.hear(CLIENT_TIMEOUT)? != b"READY" {
            return Ok(false);
        }
        self.send_content(name, &mut file, size)?;
        let shown = escaped(name.as_bytes());
        remark("SENT", format!("{size} bytes of {shown}"));
        // A receipt for another file or size is none.
        let receipt = format!("SAVED {size} {name}");
        Ok(self.hear(DISK_TIMEOUT)? == receipt.as_bytes())
    }
    // ANCHOR_END: send

    // ANCHOR: content
    /// Sends `size` bytes of `file`; no more, even if it grows meanwhile.
    fn send_content(
        &mut self,
        name: &str,
        file: &mut File,
        size: u64,
    ) -> Result<(), Error> {
        let bar = progress_bar(name, size);
        let mut chunk = vec![0; CHUNK];
        let mut sent = 0;
        while sent < size {
            let count = match file.take(size - sent).read(&mut chunk) {
                Ok(0) => {
                    let error = io::Error::other("it became shorter");
                    return Err(cannot_read(name, &error));
                }
                Ok(count) => count,
                Err(error) => return Err(cannot_read(name, &error)),
            };
            self.send_chunk(&chunk[..count])?;
            sent += count as u64;
            bar.inc(count as u64);
        }
        Ok(())
    }

    /// The server answers when it has everything. An answer that comes sooner
    /// says why it gives up; and so may one behind a failure.
    fn send_chunk(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let ended = if self.is_answering() {
            Err(io::Error::other("it did not wait for the whole content"))
        } else {
            self.stream.write_all(chunk)
        };
        ended.map_err(|error| {
            let _ = self.hear(LAST_WORDS);
            net::disconnected(self.address, &error)
        })
    }
    // ANCHOR_END: content

    // ANCHOR: wire
    /// Whether the server has said something, or has ended its side.
    fn is_answering(&self) -> bool {
        // A non-blocking peek takes nothing, and does not wait.
        let _ = self.stream.set_nonblocking(true);
        let peeked = self.stream.peek(&mut [0]);
        let _ = self.stream.set_nonblocking(false);
        peeked.is_ok()
    }

    /// Reads one reply, and prints it as a line.
    fn hear(&mut self, time: Duration) -> Result<Vec<u8>, Error> {
        // If this fails the connection is gone, as the read will say.
        let _ = self.stream.set_read_timeout(Some(time));
        let reply = match message::read(&mut self.stream, DEFAULT_LIMIT) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) => Err(error),
        };
        let reply = reply.map_err(|e| net::disconnected(self.address, &e))?;
        print(&[&reply[..], b"\n"].concat())?;
        Ok(reply)
    }
}
// ANCHOR_END: wire

// ANCHOR: file
fn progress_bar(name: &str, size: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(BAR)
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size)
        .with_style(style)
        .with_message(escaped(name.as_bytes()))
        .with_finish(ProgressFinish::AndClear)
}

/// The error for a file that cannot be read to its end. The server waits for
/// bytes that do not exist: the connection must end.
fn cannot_read(name: &str, error: &io::Error) -> Error {
    let what = format!("cannot read {} to its end", escaped(name.as_bytes()));
    Error::new(what, error, "Send it again while nothing changes it.")
}

/// The name, the opened file and its size.
fn open(path: &Path) -> io::Result<(&str, File, u64)> {
    // A pipe or a device has no size, and opening one may wait for ever.
    if !fs::metadata(path)?.is_file() {
        let why = "this is a folder or a device, not a file";
        return Err(io::Error::other(why));
    }
    let name = path.file_name().and_then(OsStr::to_str);
    let name = name.ok_or(io::Error::other("the name is not UTF-8"))?;
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((name, file, size))
}
// ANCHOR_END: file
