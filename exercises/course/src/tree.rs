//! The student's checkout of the course.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use first_socket::errors::Error;

/// How far above this package the course begins: it is `exercises/course`.
const UP: usize = 2;

/// The checkout; paths in it are written as in the book: `lessons/…`.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The checkout from which this program was started.
    pub fn open() -> Self {
        // Cargo says where the package is whose program it runs.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        // Not made canonical: Windows then takes no slash as we write it.
        Self::of(package.ancestors().nth(UP).unwrap_or(&package))
    }

    /// The checkout in this folder.
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// A path on this machine.
    pub fn path(&self, part: &str) -> PathBuf {
        self.root.join(part)
    }

    /// The text of a file of the course.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(&self, part: &str) -> Result<String, Error> {
        fs::read_to_string(self.path(part)).map_err(|error| {
            let advice =
                "It belongs to the course: git restore brings it back.";
            Error::new(format!("cannot read {part}"), &error, advice)
        })
    }

    /// Writes a file, and the folders above it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, part: &str, text: &str) -> Result<(), Error> {
        let path = self.path(part);
        let above = path.parent().map_or(Ok(()), fs::create_dir_all);
        above
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| failed(part, &e))
    }
}

/// The disk did not do what it should with this file or folder.
pub fn failed(part: &str, error: &io::Error) -> Error {
    let advice = "Is the disk full, or the folder of somebody else?";
    Error::new(format!("cannot write {part}"), error, advice)
}
