//! What stands in the files that a Gopher server has to send.

use std::sync::LazyLock;

/// More than the buffers between two sockets of one machine hold: see tcp(7),
/// `tcp_wmem`.
const LARGE: usize = 8 * 1024 * 1024;

/// The parts of the large file.
const PIECE: usize = 1024;

/// More than programs read at once, mostly.
const LONG: usize = 200 * 1024;

/// A file whose answer is known, as (name, content, answer).
type Known = (&'static str, &'static str, &'static str);

/// The text that each folder has.
pub(super) const NOTES: Known =
    ("notes.txt", "first\nsecond\n", "first\r\nsecond\r\n.\r\n");

/// Other texts.
pub(super) const TEXTS: [Known; 10] = [
    (
        "dots.txt",
        ".\n.one\n..two\nno.dot\n",
        "..\r\n..one\r\n...two\r\nno.dot\r\n.\r\n",
    ),
    (
        "no-end.txt",
        "gr\u{fc}\u{df}e\nthe end",
        "gr\u{fc}\u{df}e\r\nthe end\r\n.\r\n",
    ),
    ("windows.txt", "one\r\ntwo\r\n", "one\r\ntwo\r\n.\r\n"),
    ("empty.txt", "", ".\r\n"),
    ("mixed.txt", "a\r\n\nb\n\r\n.\r\n", "a\r\n\r\nb\r\n\r\n..\r\n.\r\n"),
    (
        "breaks.txt",
        "a\rb\u{b}c\u{c}d\u{1c}e\u{85}f\u{2028}g\n",
        "a\rb\u{b}c\u{c}d\u{1c}e\u{85}f\u{2028}g\r\n.\r\n",
    ),
    ("return.txt", "a\nb\r", "a\r\nb\r\r\n.\r\n"),
    ("mark.txt", "\u{feff}one\n", "\u{feff}one\r\n.\r\n"),
    ("words.bin", "no picture\n", "no picture\r\n.\r\n"),
    ("remarks", "no ending\n", "no ending\r\n.\r\n"),
];

/// Files that are no texts.
pub(super) fn others() -> &'static [(&'static str, Vec<u8>)] {
    static FILES: LazyLock<Vec<(&'static str, Vec<u8>)>> =
        LazyLock::new(|| {
            let words = |end: &[u8]| [long_text().as_bytes(), end].concat();
            vec![
                ("blob.bin", blob()),
                ("picture.txt", b"\x89PNG\r\n\x1a\n\xff\xd8".to_vec()),
                ("latin-1.txt", b"gr\xfc\xdfe\n.dot\r\n".to_vec()),
                ("zero.txt", b"one\0two\n".to_vec()),
                ("late-zero.txt", words(b"zero\0\n.\n")),
                ("late-byte.txt", words(b"\xff\n.\n")),
                ("cut.txt", b"half a letter: \xe2\x82".to_vec()),
            ]
        });
    &FILES
}

/// Bytes that are no text, and look like the end of one in the middle.
fn blob() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend_from_slice(b"\r\n.\r\n.dot\n\n");
    bytes.extend((0..=255).rev());
    bytes
}

/// A long text. Its first 72 KiB are letters of three bytes: wherever it is cut
/// there at a power of two, or of ten, it is in a letter. Behind them it is in
/// a letter, at a dot, or at a line's end, in one copy or another.
pub(super) fn long_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let dots = ".".repeat(20 * 1024) + "\n";
        let letters = "\u{20ac}".repeat(24 * 1024) + "\n";
        let mut text = letters + &dots;
        while text.len() < LONG {
            text += ".\n\r\n..\u{fc}\n\u{1f600}\r\nplain\n";
        }
        text
    });
    &TEXT
}

/// How the long text is sent.
pub(super) fn long_answer() -> String {
    let mut answer = String::new();
    for line in long_text().split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let dot = if line.starts_with('.') { "." } else { "" };
        answer.extend([dot, line, "\r\n"]);
    }
    answer + ".\r\n"
}

/// Large, and different everywhere.
pub(super) fn large() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bytes = Vec::with_capacity(LARGE);
        while bytes.len() < LARGE {
            let number = bytes.len().to_string();
            // Each piece begins with its number, and with no text.
            let end = bytes.len() + PIECE;
            bytes.extend([0, 0xff, b'.']);
            bytes.extend(number.into_bytes());
            bytes.resize(end, b' ');
        }
        bytes
    });
    &BYTES
}
