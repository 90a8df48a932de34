//! The length-prefixed message: where one ends and the next begins.
//!
//! A message is a header of [`HEADER`] bytes and a body. The header is the
//! body's length in bytes, as ASCII decimal digits, padded on the right with
//! spaces.

// ANCHOR: start
use std::io::{self, ErrorKind, Read, Write};

use crate::errors::why;
use crate::escape::shown;

/// The size of a header, in bytes.
pub const HEADER: usize = 64;

/// The longest body that is taken unless told otherwise, in bytes: 1 MiB.
pub const DEFAULT_LIMIT: u64 = 1024 * 1024;

/// How many bytes are set aside before the first one has come.
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
pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = header(body.len() as u64).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The header for a body of `length` bytes.
pub fn header(length: u64) -> String {
    format!("{length:<HEADER$}")
}
// ANCHOR_END: write

// ANCHOR: read
/// Reads one message and returns its body of at most `limit` bytes, or `None`
/// when the peer ended between two messages.
///
/// # Errors
/// [`ErrorKind::InvalidData`] when the header is not a length or is over
/// `limit`, [`ErrorKind::UnexpectedEof`] when the bytes end inside the
/// message, and those of the reader.
pub fn read(reader: &mut impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = read_header(reader, limit)? else { return Ok(None) };
    match take(reader, length, "body")? {
        Some(body) => Ok(Some(body)),
        None => Err(cut("body", 0, length)),
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
) -> io::Result<Option<u64>> {
    let Some(header) = take(reader, HEADER as u64, "header")? else {
        return Ok(None);
    };
    let refused =
        |why: String| Err(io::Error::new(ErrorKind::InvalidData, why));
    let digits = str::from_utf8(&header).unwrap_or("").trim_end_matches(' ');
    // `str::parse` alone is not strict enough: it takes `+5` for a number.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return refused(format!("not a length: {}", shown(&header)));
    }
    match digits.parse() {
        Ok(length) if length <= limit => Ok(Some(length)),
        // A number that is too long for a u64 is over every limit.
        _ => refused(format!("{digits} bytes are over the limit of {limit}")),
    }
}
// ANCHOR_END: read_header

// ANCHOR: take
/// Reads exactly `of` bytes, in as many reads as it takes, or `None` when the
/// peer ended before the first.
fn take(
    reader: &mut impl Read,
    of: u64,
    part: &str,
) -> io::Result<Option<Vec<u8>>> {
    // A length is only a claim: the vector grows as the bytes come.
    let mut bytes = Vec::with_capacity(of.min(FIRST_BYTES) as usize);
    let ended = reader.by_ref().take(of).read_to_end(&mut bytes);
    let got = bytes.len() as u64;
    if got == of {
        return Ok(Some(bytes));
    }
    match ended {
        Ok(_) if got == 0 => Ok(None),
        Ok(_) => Err(cut(part, got, of)),
        // Before its first byte no message has begun.
        Err(error) if got == 0 && part == "header" => Err(error),
        Err(error) => Err(broken(part, got, of, &error)),
    }
}
// ANCHOR_END: take

// ANCHOR: cut
/// The error for a connection that ended after `got` of the `of` bytes of a
/// `part`; its kind is [`ErrorKind::UnexpectedEof`].
pub fn cut(part: &str, got: u64, of: u64) -> io::Error {
    broken(part, got, of, &ErrorKind::UnexpectedEof.into())
}

fn broken(part: &str, got: u64, of: u64, cause: &io::Error) -> io::Error {
    let why = why(cause);
    let text = format!("{why}: {got} of {of} bytes of the {part} had come");
    io::Error::new(cause.kind(), text)
}
// ANCHOR_END: cut

// ANCHOR: answer_refusal
/// If a conversation `ended` with a refusal ([`ErrorKind::InvalidData`]), sends
/// `ERROR` and the reason. This is the last message: behind a header that is
/// no length nobody knows where the next one begins, and a body over the limit
/// is not read.
pub fn answer_refusal(writer: &mut impl Write, ended: &io::Result<()>) {
    if let Err(error) = ended
        && error.kind() == ErrorKind::InvalidData
    {
        // If the peer is gone, the refusal is still what there is to report.
        let _ = write(writer, format!("ERROR {error}").as_bytes());
    }
}
// ANCHOR_END: answer_refusal

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
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let text = "the connection ended: 2 of 5 bytes of the body had come";
        assert_eq!(error.to_string(), text);

        let mut refused = Network::whole(&framed(b"hello"));
        let error = read(&mut refused, 4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "5 bytes are over the limit of 4");
    }

    #[test]
    fn a_failure_keeps_its_kind_and_the_counts() {
        let mut network = Network::whole(&framed(b"hello")[..66]);
        network.failure = Some(ErrorKind::ConnectionReset);

        let error = read(&mut network, 9).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let text = "connection reset: 2 of 5 bytes of the body had come";
        assert_eq!(error.to_string(), text);
    }

    /// Before the body is read, so nothing can have been allocated for it.
    #[test]
    fn the_limit_holds_before_the_body() {
        let mut network = Network::whole(header(u64::MAX).as_bytes());
        network.failure = Some(ErrorKind::Other);

        let error = read(&mut network, 9).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidData);
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
