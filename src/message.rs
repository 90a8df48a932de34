//! The length-prefixed message: where one ends and the next begins.
//!
//! A message is a header of [`HEADER`] bytes and a body. The header is the
//! body's length in bytes, as ASCII decimal digits, padded on the right with
//! spaces.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use crate::report;

/// The size of a header, in bytes.
pub const HEADER: usize = 64;

/// The longest body that is taken unless told otherwise, in bytes: 1 MiB.
pub const DEFAULT_LIMIT: u64 = 1024 * 1024;

/// So much is allocated before the first byte has come.
const FIRST_BYTES: u64 = 4 * 1024;

/// Sends a message. Header and body leave in one write: with two, the kernel
/// may hold the second back until the peer has acknowledged the first.
///
/// # Errors
/// Those of the writer.
pub fn write(writer: &mut impl Write, body: &[u8]) -> io::Result<()> {
    writer.write_all(&framed(body))
}

/// A whole message: the header and `body`.
#[must_use]
pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = header(body.len() as u64).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The header for a body of `length` bytes.
#[must_use]
pub fn header(length: u64) -> String {
    format!("{length:<HEADER$}")
}

/// Reads one message of at most `limit` bytes and returns its body, or `None`
/// when the peer ended between two messages.
///
/// # Errors
/// [`Error::Cut`] when the bytes end or fail inside the message,
/// [`Error::Refused`] when the header is none or the body would be too long.
pub fn read(
    reader: &mut impl Read,
    limit: u64,
) -> Result<Option<Vec<u8>>, Error> {
    match read_header(reader, limit)? {
        Some(length) => take(reader, length, "body").map(Some),
        None => Ok(None),
    }
}

/// Reads a header alone and returns the length that it announces, or `None`
/// when the peer ended before it.
///
/// # Errors
/// As [`read`].
pub fn read_header(
    reader: &mut impl Read,
    limit: u64,
) -> Result<Option<u64>, Error> {
    let header = match take(reader, HEADER as u64, "header") {
        Err(Error::Cut { got: 0, why: None, .. }) => return Ok(None),
        header => header?,
    };
    let Some(digits) = digits(&header) else {
        return Err(Error::Refused(Refusal::NotALength(header)));
    };
    // A number that is too long for a u64 is over every limit.
    match digits.parse() {
        Ok(length) if length <= limit => Ok(Some(length)),
        _ => {
            let length = digits.to_owned();
            Err(Error::Refused(Refusal::TooLong { length, limit }))
        }
    }
}

/// The digits of a header. `str::parse` alone is not strict enough: it takes
/// `+5` for a number.
fn digits(header: &[u8]) -> Option<&str> {
    let text = str::from_utf8(header).ok()?.trim_end_matches(' ');
    let number =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number.then_some(text)
}

/// Reads exactly `of` bytes, in as many reads as it takes.
fn take(
    reader: &mut impl Read,
    of: u64,
    part: &'static str,
) -> Result<Vec<u8>, Error> {
    // A length is a promise: the vector grows only as the bytes come.
    let mut bytes = Vec::with_capacity(of.min(FIRST_BYTES) as usize);
    let ended = reader.by_ref().take(of).read_to_end(&mut bytes);
    let got = bytes.len() as u64;
    if got == of {
        return Ok(bytes);
    }
    Err(Error::Cut { part, got, of, why: ended.err() })
}

/// The error for a connection that ended when only `got` of `of` bytes of a
/// `part` had come.
#[must_use]
pub fn cut(part: &'static str, got: u64, of: u64) -> io::Error {
    Error::Cut { part, got, of, why: None }.into()
}

/// Tells the peer why, if a conversation `ended` with a refusal. This is the
/// last word: where the next message begins is unknown.
///
/// # Errors
/// Those of the writer, or how the conversation ended.
pub fn last_word(
    writer: &mut impl Write,
    ended: io::Result<()>,
) -> io::Result<()> {
    if let Err(error) = &ended
        && error.kind() == ErrorKind::InvalidData
    {
        write(writer, format!("ERROR {error}").as_bytes())?;
    }
    ended
}

/// Why there is no message.
#[derive(Debug)]
pub enum Error {
    /// The bytes ended, or failed, inside a message.
    Cut {
        /// The part that was being read, such as `header` or `body`.
        part: &'static str,
        /// So many of its bytes had come.
        got: u64,
        /// So many it has.
        of: u64,
        /// What failed, or `None` when the peer ended its side.
        why: Option<io::Error>,
    },
    /// All bytes came, and what they say is not taken. The reader stands
    /// behind the header, so the next message cannot be found.
    Refused(Refusal),
}

/// What is wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not digits followed by spaces.
    NotALength(Vec<u8>),
    /// It announces more than is taken.
    TooLong {
        /// The announced length, as it was written.
        length: String,
        /// The most that is taken, in bytes.
        limit: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotALength(header) => {
                write!(f, "not a length: {}", report::shown(header))
            }
            Self::TooLong { length, limit } => {
                write!(f, "{length} bytes are over the limit of {limit}")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { part, got, of, why } => {
                let why = why.as_ref().map(report::why);
                let why = why.as_deref().unwrap_or("the connection ended");
                write!(f, "{why}: {got} of {of} bytes of the {part} had come")
            }
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// A refusal has the kind [`ErrorKind::InvalidData`].
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Cut { why: Some(why), .. } => why.kind(),
            Error::Cut { why: None, .. } => ErrorKind::UnexpectedEof,
            Error::Refused(_) => ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
