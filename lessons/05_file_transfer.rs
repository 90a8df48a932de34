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
use first_socket::connection::Connection;
use first_socket::errors::{self, Error, why};
use first_socket::escape::shown;
use first_socket::events::{self, event};
use first_socket::flags::{Address, Limits};
use first_socket::message::{self, cut};
use first_socket::server::Server;
use first_socket::{ctrl_c, files, net};
// ANCHOR_END: uses

// ANCHOR: limits
/// The most bytes that are read and written at once, however large the file.
const CHUNK: usize = 256 * 1024;

/// The longest file name of most systems, in bytes. On Unix,
/// `getconf NAME_MAX .` prints it.
const LONGEST_NAME: usize = 255;

/// The longest message that is read as a name. A name over [`LONGEST_NAME`]
/// but within this is refused, and the client may go on.
const NAME_LIMIT: u64 = 4096;

/// What Windows does not allow in a name; `/` and `\` separate folders.
const FORBIDDEN: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];
// ANCHOR_END: limits

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
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    fs::create_dir_all(&args.dir).map_err(|error| {
        let what = format!("cannot make the folder {}", args.dir.display());
        Error::new(what, &error, "Choose another with --dir.")
    })?;
    files::survive_size_limit();
    let (listener, address) = net::listen(&args.address)?;
    let server = Server::new(&listener, &args.limits)?;
    events::listening(address);

    let full = message::framed(b"ERROR Server is full.");
    server.run(listener, &full, |client| {
        let ended = take_files(client, args);
        client.set_deadline();
        message::answer_refusal(client, &ended);
        ended
    });
    event("STOPPED", server.totals());
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: upload_error
/// Why a file is not saved.
enum UploadError {
    /// Its sender hears why, and may offer the next one.
    File(io::Error),
    /// The connection failed or ended.
    Connection(io::Error),
}
// ANCHOR_END: upload_error

// ANCHOR: offer
/// Takes one file after the other, until the client ends its side.
fn take_files(client: &mut Connection<'_>, args: &Args) -> io::Result<()> {
    loop {
        // The time-out holds for name and size together.
        client.set_deadline();
        let Some(name) = message::read(client, NAME_LIMIT)? else {
            return Ok(());
        };
        // Any size: `judge` refuses a large one, and the client may go on.
        let Some(size) = message::read_header(client, u64::MAX)? else {
            return Err(cut("size", 0, message::HEADER as u64));
        };
        let offer = format!("{size} {}", String::from_utf8_lossy(&name));
        let text = shown(offer.as_bytes());
        client.event("RECEIVED", format!("offer: {text}"));
        // ANCHOR_END: offer

        // ANCHOR: answer
        let (tag, word, text) = match take_file(client, args, &name, size) {
            Ok(()) => ("SAVED", "SAVED", offer),
            Err(UploadError::File(e)) => ("REFUSED", "ERROR", why(&e)),
            Err(UploadError::Connection(error)) => return Err(error),
        };
        client.event(tag, shown(text.as_bytes()));
        let answer = format!("{word} {text}");
        client.set_deadline();
        message::write(client, answer.as_bytes())?;
    }
}
// ANCHOR_END: answer

// ANCHOR: take_file
/// Judges an offer, takes the content, and gives the file its name.
fn take_file(
    client: &mut Connection<'_>,
    args: &Args,
    name: &[u8],
    size: u64,
) -> Result<(), UploadError> {
    let path = judge(args, name, size).map_err(UploadError::File)?;
    let mut part = files::temporary(&args.dir).map_err(UploadError::File)?;
    if let Err(error) = take_content(client, size, part.as_file_mut()) {
        files::remove(part);
        return Err(error);
    }
    // Now it gets its name, all at once, if nobody else has taken it.
    part.persist_noclobber(path).map(drop).map_err(|error| {
        files::remove(error.file);
        UploadError::File(error.error)
    })
}
// ANCHOR_END: take_file

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
/// Says READY, and copies `size` bytes from the connection to the disk.
fn take_content(
    client: &mut Connection<'_>,
    size: u64,
    file: &mut File,
) -> Result<(), UploadError> {
    message::write(client, b"READY").map_err(UploadError::Connection)?;
    let (mut chunk, mut got, mut written) = (vec![0; CHUNK], 0, Ok(()));
    while got < size {
        // Not a byte more than this file has: the next offer follows it.
        client.set_deadline();
        let read = client.take(size - got).read(&mut chunk);
        let count = read.map_err(UploadError::Connection)?;
        if count == 0 {
            return Err(UploadError::Connection(cut("content", got, size)));
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
    // ANCHOR_END: content
    // ANCHOR: sync
    if ctrl_c::stopping() {
        // Nobody can be told any more that it is saved.
        return Err(UploadError::Connection(
            ErrorKind::ConnectionAborted.into(),
        ));
    }
    // First the bytes, then the name: a file under its name is whole, even
    // after a power cut (fsync(2)).
    written.and_then(|()| file.sync_all()).map_err(UploadError::File)
}
// ANCHOR_END: sync

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
    } else if files::is_device(name) {
        "Windows reserves the name for a device"
    } else {
        return Ok(name);
    };
    Err(io::Error::other(why))
}
// ANCHOR_END: name
