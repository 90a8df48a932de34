//! Copies of the first versions that disturb nobody: each listens on a port
//! that the system picks, not on 8080.

use std::collections::BTreeMap;
use std::env::{self, consts::EXE_SUFFIX};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::sync::{Arc, Mutex, OnceLock};

/// Where a first version listens, as it is typed.
pub const ADDRESS: &str = "127.0.0.1:8080";

/// The program of `lessons/NAME.rs`, on any port.
pub fn first(name: &str) -> PathBuf {
    changed(name, ADDRESS, "127.0.0.1:0")
}

/// Like [`first`], with something else changed, too.
pub fn first_with(name: &str, old: &str, new: &str) -> PathBuf {
    let text = replaced(&source(name), ADDRESS, "127.0.0.1:0");
    program(name, &replaced(&text, old, new))
}

/// The program of `lessons/NAME.rs` with one change and no other.
pub fn changed(name: &str, old: &str, new: &str) -> PathBuf {
    program(name, &replaced(&source(name), old, new))
}

/// The text of `lessons/NAME.rs`.
pub fn source(name: &str) -> String {
    let lessons = Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons");
    fs::read_to_string(lessons.join(format!("{name}.rs"))).unwrap()
}

#[track_caller]
fn replaced(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old:?} in\n{text}");
    text.replace(old, new)
}

/// Compiles `text`, once for all tests of this process.
fn program(name: &str, text: &str) -> PathBuf {
    type Compiled = Arc<OnceLock<PathBuf>>;
    static PROGRAMS: Mutex<BTreeMap<String, Compiled>> =
        Mutex::new(BTreeMap::new());

    let mut programs = PROGRAMS.lock().unwrap();
    let compiled = Arc::clone(programs.entry(text.to_owned()).or_default());
    // Whoever wants another program need not wait for this one.
    drop(programs);
    compiled.get_or_init(|| compile(name, text)).clone()
}

/// As a student's own package would be compiled; a warning is a failure.
fn compile(name: &str, text: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let name = format!("{name}-{:016x}", hasher.finish());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(format!("{name}{EXE_SUFFIX}"));
    // Another run of the tests may be at the same program.
    let new = folder.join(format!("{name}-{}{EXE_SUFFIX}", id()));

    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut compiler = Command::new(rustc)
        .args(["--edition", "2024", "-D", "warnings"])
        .args(["--crate-name", "first", "-", "-o"])
        .arg(&new)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rustc should start");
    let mut stdin = compiler.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let ended = compiler.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{name}: {complaints}");

    fs::rename(new, &program).unwrap();
    program
}
