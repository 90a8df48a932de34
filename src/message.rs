//! The length-prefixed message: where one ends and the next begins.
//!
//! A message is a header of [`HEADER`] bytes and a body. The header is the
//! body's length in bytes, as ASCII decimal digits, padded on the right with
//! spaces.

// ANCHOR: start
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use crate::report;

/// The size of a header, in bytes.
pub const HEADER: usize = 64;

/// The longest body that is taken unless told otherwise, in bytes: 1 MiB.
pub const DEFAULT_LIMIT: u64 = 1024 * 1024;

/// How many bytes are allocated before the first one has come.
const FIRST_BYTES: u64 = 4 * 1024;
// ANCHOR_END: start

// ANCHOR: write
/// Sends a message. Header and body leave in one write: with two, the kernel
/// may hold the second back until the peer has acknowledged the first (Nagle's
/// algorithm: RFC 9293, section 3.7.4).
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
// ANCHOR_END: write

// ANCHOR: read
/// Reads one message and returns its body of at most `limit` bytes, or `None`
/// when the peer ended between two messages.
///
/// # Errors
/// [`Error::Cut`] when the bytes end inside the message or a read fails,
/// [`Error::Refused`] when the header is not a length or is over `limit`.
pub fn read(
    reader: &mut impl Read,
    limit: u64,
) -> Result<Option<Vec<u8>>, Error> {
    match read_header(reader, limit)? {
        Some(length) => take(reader, length, "body").map(Some),
        None => Ok(None),
    }
}
// ANCHOR_END: read

// ANCHOR: read_header
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
// ANCHOR_END: read_header

// ANCHOR: take
/// Reads exactly `of` bytes, in as many reads as it takes.
fn take(
    reader: &mut impl Read,
    of: u64,
    part: &'static str,
) -> Result<Vec<u8>, Error> {
    // A length is only a claim: the vector grows as the bytes come.
    let mut bytes = Vec::with_capacity(of.min(FIRST_BYTES) as usize);
    let ended = reader.by_ref().take(of).read_to_end(&mut bytes);
    let got = bytes.len() as u64;
    if got == of {
        return Ok(bytes);
    }
    Err(Error::Cut { part, got, of, why: ended.err() })
}

/// An [`ErrorKind::UnexpectedEof`] for a connection that ended after `got` of
/// the `of` bytes of a `part`.
#[must_use]
pub fn cut(part: &'static str, got: u64, of: u64) -> io::Error {
    Error::Cut { part, got, of, why: None }.into()
}
// ANCHOR_END: take

// ANCHOR: answer_refusal
/// If a conversation `ended` with a refusal ([`ErrorKind::InvalidData`]), sends
/// `ERROR` and the reason. This is the last message: behind a header that is
/// no length nobody knows where the next one begins, and a body over the limit
/// is not read. Returns `ended`.
///
/// # Errors
/// The one in `ended`; that the peer is gone is none.
pub fn answer_refusal(
    writer: &mut impl Write,
    ended: io::Result<()>,
) -> io::Result<()> {
    if let Err(error) = &ended
        && error.kind() == ErrorKind::InvalidData
    {
        // If the peer is gone, the refusal is still what there is to report.
        let _ = write(writer, format!("ERROR {error}").as_bytes());
    }
    ended
}
// ANCHOR_END: answer_refusal

// ANCHOR: errors
/// Why there is no message.
#[derive(Debug)]
pub enum Error {
    /// The bytes ended, or failed, inside a message.
    Cut {
        /// The part that was being read, such as `header` or `body`.
        part: &'static str,
        /// How many of its bytes had come.
        got: u64,
        /// How many it should have.
        of: u64,
        /// What failed, or `None` when the peer ended its side.
        why: Option<io::Error>,
    },
    /// The header is complete, but not acceptable: no length, or a longer body
    /// than we read. This ends the conversation.
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
// ANCHOR_END: errors

// ANCHOR: words
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
// ANCHOR_END: words

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A reader that gives what a network might: the bytes in pieces of any
    /// size, and at the end the end, or a failure.
    struct Network {
        pieces: VecDeque<Vec<u8>>,
        failure: Option<ErrorKind>,
    }

    impl Network {
        fn whole(bytes: &[u8]) -> Self {
            Self { pieces: [bytes.to_vec()].into(), failure: None }
        }

        /// `sizes` says where to cut; when it is used up, it begins again.
        fn split(bytes: &[u8], sizes: &[usize]) -> Self {
            let mut sizes = sizes.iter().cycle();
            let mut rest = bytes;
            let mut pieces = VecDeque::new();
            while !rest.is_empty() {
                let size = sizes.next().copied().unwrap_or(1);
                let (piece, after) = rest.split_at(size.min(rest.len()));
                pieces.push_back(piece.to_vec());
                rest = after;
            }
            Self { pieces, failure: None }
        }
    }

    impl Read for Network {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(mut piece) = self.pieces.pop_front() else {
                return self.failure.map_or(Ok(0), |kind| Err(kind.into()));
            };
            let count = piece.len().min(buffer.len());
            let rest = piece.split_off(count);
            buffer[..count].copy_from_slice(&piece);
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
            Ok(count)
        }
    }

    /// Counts the writes: each would be a segment on the wire.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// All messages up to the end, or the error, as text to compare.
    fn read_all(mut network: Network, limit: u64) -> (Vec<Vec<u8>>, String) {
        let mut bodies = Vec::new();
        loop {
            match read(&mut network, limit) {
                Ok(Some(body)) => bodies.push(body),
                Ok(None) => return (bodies, "end".to_owned()),
                Err(error) => return (bodies, format!("{error:?}")),
            }
        }
    }

    #[test]
    fn a_message_leaves_in_one_write() {
        let mut writes = Writes::default();

        write(&mut writes, "wörld".as_bytes()).unwrap();

        let expected = format!("{:<64}wörld", "6");
        assert_eq!(writes.0, [expected.into_bytes()]);
    }

    #[test]
    fn the_longest_length_fits_the_header() {
        assert_eq!(header(u64::MAX).len(), HEADER);
        let mut network = Network::whole(header(u64::MAX).as_bytes());
        let length = read_header(&mut network, u64::MAX).unwrap();
        assert_eq!(length, Some(u64::MAX));
    }

    #[test]
    fn an_end_a_cut_and_a_refusal_are_told_apart() {
        assert!(matches!(read(&mut Network::whole(b""), 9), Ok(None)));

        let mut cut = Network::whole(&framed(b"hello")[..66]);
        let error = read(&mut cut, 9).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Cut { part: "body", got: 2, of: 5, why: None }
            ),
            "{error:?}"
        );

        let mut refused = Network::whole(&framed(b"hello"));
        let error = read(&mut refused, 4).unwrap_err();
        let (length, limit) = ("5".to_owned(), 4);
        let too_long = Refusal::TooLong { length, limit };
        assert!(
            matches!(&error, Error::Refused(refusal) if *refusal == too_long),
            "{error:?}"
        );
    }

    #[test]
    fn a_failure_keeps_its_kind_and_the_counts() {
        let mut network = Network::whole(&framed(b"hello")[..66]);
        network.failure = Some(ErrorKind::ConnectionReset);

        let error = io::Error::from(read(&mut network, 9).unwrap_err());

        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let text =
            "the connection was reset: 2 of 5 bytes of the body had come";
        assert_eq!(error.to_string(), text);
    }

    /// Before the body is read, so nothing can have been allocated for it.
    #[test]
    fn the_limit_holds_before_the_body() {
        let mut network = Network::whole(header(u64::MAX).as_bytes());
        network.failure = Some(ErrorKind::Other);

        let error = read(&mut network, 9).unwrap_err();

        assert!(matches!(error, Error::Refused(_)), "{error:?}");
    }

    proptest! {
        /// What was written is read, in whatever pieces it comes.
        #[test]
        fn any_bodies_in_any_pieces_are_the_same_messages(
            bodies in prop::collection::vec(any::<Vec<u8>>(), 0..5),
            sizes in prop::collection::vec(1_usize..100, 1..20),
        ) {
            let mut bytes = Vec::new();
            for body in &bodies {
                write(&mut bytes, body).unwrap();
            }

            let read = read_all(Network::split(&bytes, &sizes), 1000);

            prop_assert_eq!(read, (bodies, "end".to_owned()));
        }

        /// Any bytes: the pieces decide neither the messages nor the error.
        #[test]
        fn any_bytes_in_any_pieces_are_the_same_messages_or_error(
            bytes in some_bytes(),
            sizes in prop::collection::vec(1_usize..100, 1..20),
        ) {
            let whole = read_all(Network::whole(&bytes), 100);

            let split = read_all(Network::split(&bytes, &sizes), 100);

            prop_assert_eq!(whole, split);
        }

        /// Whatever the header, the body is never over the limit.
        #[test]
        fn no_body_is_over_the_limit(
            bytes in some_bytes(),
            limit in 0_u64..50,
        ) {
            let (bodies, _) = read_all(Network::whole(&bytes), limit);

            prop_assert!(bodies.iter().all(|b| b.len() as u64 <= limit));
        }

        /// The digits are taken exactly when they are digits and spaces.
        #[test]
        fn a_header_is_digits_then_spaces(text in "[0-9 +\\-a]{0,4}") {
            let header = format!("{text:<HEADER$}");
            let trimmed = text.trim_end_matches(' ');
            let good = !trimmed.is_empty()
                && trimmed.chars().all(|c| c.is_ascii_digit());

            let read = read_header(&mut header.as_bytes(), u64::MAX);

            prop_assert_eq!(read.is_ok(), good);
        }
    }

    /// Bytes that are often nearly right: messages, cut and mixed with noise.
    fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..60)
                .prop_map(|body| framed(&body)),
            2 => any::<u8>().prop_map(|n| header(n.into()).into_bytes()),
            1 => any::<Vec<u8>>(),
        ];
        (prop::collection::vec(piece, 0..5), 0_usize..400).prop_map(
            |(pieces, end)| {
                let mut bytes = pieces.concat();
                bytes.truncate(end);
                bytes
            },
        )
    }
}
