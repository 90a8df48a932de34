//! 05 · File transfer: check the name and the size; the sender may lie.
//!
//! Terminal 1: `cargo run -q --bin 05_file_transfer`
//! Terminal 2: `cargo run -q --bin 05_client Cargo.toml`; then look into the
//! folder `received`. A second try is refused: the name is taken.

// ANCHOR: uses
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use first_socket::cli::{Address, Limits};
use first_socket::clients::{Client, Clients, FULL};
use first_socket::message::{self, cut};
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

/// The most bytes that are read and written at once, however large the file.
const CHUNK: usize = 256 * 1024;

/// The longest file name, in bytes: `NAME_MAX` on Linux (limits.h(0p)).
const LONGEST_NAME: usize = 255;

/// The longest message that is read as a name. A name over [`LONGEST_NAME`]
/// but within this is refused, and the visit goes on.
const NAME_LIMIT: u64 = 4096;

/// What Windows does not allow in a name; `/` and `\\` separate folders.
const FORBIDDEN: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];
// ANCHOR_END: uses

// ANCHOR: run
/// Receives files from many clients
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    #[command(flatten)]
    limits: Limits,

    /// The folder for the files; made if it does not exist
    #[arg(long, default_value = "received")]
    dir: PathBuf,

    /// The largest file that is accepted
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024 * 1024)]
    max_size: u64,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    fs::create_dir_all(&args.dir).map_err(|error| {
        let what = format!("cannot make the folder {}", args.dir.display());
        Failure::new(what, report::why(&error), "Choose another with --dir.")
    })?;
    let (listener, address) = args.address.listen()?;
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    report::listening(address);

    let full = message::framed(format!("ERROR {FULL}").as_bytes());
    let clients = Clients::new(&args.limits, &full, &stop);
    clients.serve(listener, |client| {
        let ended = take_files(client, args);
        message::answer_refusal(&mut client.timed(), ended)
    });
    report::event(Tag::Stopped, &clients);
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: visit
/// Why a file is not saved.
enum Trouble {
    /// Its sender hears why, and may offer the next one.
    File(io::Error),
    /// The connection failed or ended: the conversation cannot go on.
    Connection(io::Error),
}

/// Takes one file after the other, until the client ends its side.
fn take_files(client: &Client<'_>, args: &Args) -> io::Result<()> {
    while let Some((name, size)) = read_offer(client)? {
        let offer = format!("{size} {}", String::from_utf8_lossy(&name));
        let shown = report::shown(offer.as_bytes());
        client.event(Tag::Received, format!("offer: {shown}"));

        let (tag, word, text) = match take_file(client, args, &name, size) {
            Ok(()) => (Tag::Saved, "SAVED", offer),
            Err(Trouble::File(e)) => (Tag::Refused, "ERROR", report::why(&e)),
            Err(Trouble::Connection(error)) => return Err(error),
        };
        client.event(tag, report::shown(text.as_bytes()));
        let answer = format!("{word} {text}");
        message::write(&mut client.timed(), answer.as_bytes())?;
    }
    Ok(())
}
// ANCHOR_END: visit

// ANCHOR: offer
/// Reads a name and a size, or `None` when the client has ended.
fn read_offer(client: &Client<'_>) -> io::Result<Option<(Vec<u8>, u64)>> {
    client.timed().wait()?;
    let mut timed = client.timed();
    let Some(name) = message::read(&mut timed, NAME_LIMIT)? else {
        return Ok(None);
    };
    match message::read_header(&mut timed, u64::MAX)? {
        Some(size) => Ok(Some((name, size))),
        None => Err(cut("size", 0, message::HEADER as u64)),
    }
}
// ANCHOR_END: offer

// ANCHOR: save
/// Judges an offer, takes the content, and gives the file its name.
fn take_file(
    client: &Client<'_>,
    args: &Args,
    name: &[u8],
    size: u64,
) -> Result<(), Trouble> {
    let path = judge(args, name, size).map_err(Trouble::File)?;
    // When it is dropped, the temporary file is removed: after a cut, a full
    // disk, Ctrl-C or a panic. Only a killed server leaves it behind.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".first-socket-").suffix(".part");
    let part = builder.make_in(&args.dir, |path| File::create_new(path));
    let mut part = part.map_err(Trouble::File)?;

    message::write(&mut client.timed(), b"READY")
        .map_err(Trouble::Connection)?;
    take_content(client, size, part.as_file_mut())?;

    // First the bytes, then the name: a file under its name is whole, even
    // after a power cut (fsync(2)). Ctrl-C does not interrupt this.
    part.as_file().sync_all().map_err(Trouble::File)?;
    let kept = part.persist_noclobber(path);
    kept.map(drop).map_err(|error| Trouble::File(error.error))
}
// ANCHOR_END: save

// ANCHOR: judge
/// Where the file is to stand, if name and size are acceptable.
fn judge(args: &Args, name: &[u8], size: u64) -> io::Result<PathBuf> {
    let path = args.dir.join(safe_name(name)?);
    let limit = args.max_size;
    if size > limit {
        let why = format!("{size} bytes are over the limit of {limit}");
        return Err(io::Error::other(why));
    }
    // This only spares the sender the content; `persist_noclobber` decides.
    // A link is a taken name, too, even when it leads nowhere.
    if fs::symlink_metadata(&path).is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    Ok(path)
}
// ANCHOR_END: judge

// ANCHOR: content
/// Copies `size` bytes from the connection to a file.
fn take_content(
    client: &Client<'_>,
    size: u64,
    file: &mut File,
) -> Result<(), Trouble> {
    let (mut chunk, mut got, mut written) = (vec![0; CHUNK], 0, Ok(()));
    while got < size {
        // Not a byte more than this file has: the next offer follows it.
        let count = client.timed().take(size - got).read(&mut chunk);
        let count = count.map_err(Trouble::Connection)?;
        if count == 0 {
            return Err(Trouble::Connection(cut("content", got, size)));
        }
        got += count as u64;
        // If the disk fails, the rest is read and dropped: the client sends
        // it anyway, and then waits for the answer.
        if written.is_ok() {
            written = file.write_all(&chunk[..count]);
        } else {
            // Its space on the disk is free for others.
            let _ = file.set_len(0);
        }
    }
    written.map_err(Trouble::File)
}
// ANCHOR_END: content

// ANCHOR: name
/// Accepts a name that is one plain part of a path on every system.
fn safe_name(name: &[u8]) -> io::Result<&str> {
    let name = str::from_utf8(name)
        .map_err(|_| io::Error::other("the name is not UTF-8"))?;
    let why = if name.is_empty() || name.len() > LONGEST_NAME {
        &format!("a name has 1 to {LONGEST_NAME} bytes")
    } else if name.contains(FORBIDDEN) || name.contains(char::is_control) {
        "the name holds a character that is not allowed"
    } else if name.ends_with(['.', ' ']) {
        // This refuses `.` and `..`, too.
        "the name ends with a dot or a space"
    } else if is_device(name) {
        "Windows reserves the name for a device"
    } else {
        return Ok(name);
    };
    Err(io::Error::other(why))
}

/// On Windows these are devices, in every folder and with any extension: see
/// "Naming Files, Paths, and Namespaces" in Microsoft's manual.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let stem = stem.trim_end_matches(' ').to_ascii_uppercase();
    let digit = |c: char| c.is_ascii_digit() || "¹²³".contains(c);
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || matches!(stem.strip_suffix(digit), Some("COM" | "LPT"))
}
// ANCHOR_END: name
