//! Errors that say what failed, why, and what to do about it.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use crate::escape::escaped;
use crate::events::{event, remark};

/// An error that ends the program: what failed, why, and what to do, as text.
#[derive(Debug)]
pub struct Error(pub String);

impl Error {
    /// `what` names the action, and the address or file.
    pub fn new(what: impl Display, cause: &io::Error, advice: &str) -> Self {
        // The second line stands under the text, not under the tag.
        Self(format!("{what}: {}\n        {advice}", why(cause)))
    }
}

/// Ends `main`: 0 for a finished job, 1 for an error, which is reported.
pub fn exit_code(ended: Result<(), Error>) -> ExitCode {
    let Err(Error(text)) = ended else { return ExitCode::SUCCESS };
    remark("ERROR", text);
    ExitCode::FAILURE
}

/// Reports one client's trouble as one line: `[TIMED OUT]` if it kept us
/// waiting, `[ERROR]` for all else.
pub fn log_error(peer: SocketAddr, error: &io::Error) {
    let text = format!("{peer} {}", why(error));
    if is_timeout(error) {
        event("TIMED OUT", text);
    } else {
        remark("ERROR", text);
    }
}

/// Reports that no thread could be started for a client, which is let go.
pub fn no_thread(peer: SocketAddr) {
    remark("ERROR", format_args!("{peer} the system has no thread left"));
}

/// A panic hook that reports a panic as one line. The thread is named after
/// the client that it serves.
pub fn log_panic(info: &PanicHookInfo<'_>) {
    let text = escaped(info.to_string().replace('\n', " ").as_bytes());
    let name = std::thread::current().name().unwrap_or("a thread").to_owned();
    remark("ERROR", format_args!("{name} {text}"));
}

/// Whether the time was over. A socket's own time-out has one kind on Unix
/// and another on Windows.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Why something failed, in words that are the same on every system.
pub fn why(error: &io::Error) -> String {
    // std has no kind for EMFILE and ENFILE, on Windows WSAEMFILE.
    let full: &[i32] = if cfg!(windows) { &[10024] } else { &[24, 23] };
    let no_descriptor = error.raw_os_error().is_some_and(|n| full.contains(&n));
    let words = match error.kind() {
        // It carries words of its own.
        _ if error.get_ref().is_some() => return error.to_string(),
        _ if no_descriptor => "no file descriptors are left",
        _ if is_timeout(error) => "took too long",
        ErrorKind::AddrInUse => "the port is in use",
        ErrorKind::AddrNotAvailable => "this machine has no such address",
        ErrorKind::ConnectionRefused => "nobody listens there",
        ErrorKind::UnexpectedEof => "the connection ended",
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::AlreadyExists => "the name is taken",
        ErrorKind::StorageFull => "the disk is full",
        // "connection reset", "broken pipe", "permission denied" and so on.
        kind => return kind.to_string(),
    };
    words.to_owned()
}
