//! What a server that saves files has to settle with the system.

// ANCHOR: uses
use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::errors::why;
use crate::events::remark;
// ANCHOR_END: uses

// ANCHOR: temporary
/// A new file in `dir` for content that is not complete yet. It is removed
/// when it is dropped, after a panic too; only a killed program leaves it.
///
/// # Errors
/// When it cannot be made: see open(2).
pub fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    // tempfile's own way would make it readable by us alone (0600), and so
    // the file that it becomes.
    let mut builder = Builder::new();
    let part = builder.prefix(".first-socket-").suffix(".part");
    let part = part.make_in(dir, |path| File::create_new(path));
    // The error names the path, which is not the sender's business.
    part.map_err(|error| error.kind().into())
}
// ANCHOR_END: temporary

// ANCHOR: remove
/// Removes a temporary file, and says so if that fails: its folder may be
/// read-only by now, or have another name.
pub fn remove(part: NamedTempFile) {
    let path = part.path().display().to_string();
    if let Err(error) = part.close() {
        let why = why(&error.kind().into());
        remark("ERROR", format_args!("cannot remove {path}: {why}"));
    }
}
// ANCHOR_END: remove

// ANCHOR: limit
/// From now on a write over the user's limit for files (`ulimit -f`) fails.
/// On Unix the system would end the program with SIGXFSZ: setrlimit(2).
pub fn survive_size_limit() {
    // A signal that is caught ends nothing; nobody looks at the flag.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(
        signal_hook::consts::SIGXFSZ,
        std::sync::Arc::default(),
    );
}
// ANCHOR_END: limit

// ANCHOR: device
/// Whether Windows keeps the name for a device, in every folder and with any
/// extension: "Naming Files, Paths, and Namespaces" in Microsoft's manual.
pub fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let stem = stem.trim_end_matches(' ').to_ascii_uppercase();
    let digit = |c: char| c.is_ascii_digit() || "¹²³".contains(c);
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || matches!(stem.strip_suffix(digit), Some("COM" | "LPT"))
}
// ANCHOR_END: device
