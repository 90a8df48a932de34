//! Bytes from the network, as text that is safe to print.

use std::io::{self, IsTerminal, Write};

use crate::errors::Error;

/// An event shows at most this many characters of what a peer sent.
pub const SHOWN: usize = 60;

/// Control characters and bytes that are not UTF-8 become `\n`, `\u{1b}`,
/// `\xff` and the like: no peer plays with our terminal.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\'' => text.push(c),
                _ => text.extend(c.escape_debug()),
            }
        }
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text
}

/// Like [`escaped`], but cut with `…` after [`SHOWN`] characters.
pub fn shown(bytes: &[u8]) -> String {
    // No character has more than four bytes: this keeps enough of them.
    let text = escaped(&bytes[..bytes.len().min(4 * (SHOWN + 1))]);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Prints what a server said: to a file or pipe byte for byte, to a terminal
/// with control characters escaped, so that no server can control it.
///
/// # Errors
/// When nobody reads stdout any more.
pub fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    let mut text = bytes.to_vec();
    if stdout.is_terminal() {
        text = for_terminal(bytes).into_bytes();
    }
    stdout.write_all(&text).and_then(|()| stdout.flush()).map_err(|error| {
        let advice = "The program that read our output has ended.";
        Error::new("cannot print", &error, advice)
    })
}

/// A line end, `\n` or `\r\n`, becomes `\n`.
fn for_terminal(bytes: &[u8]) -> String {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.map(escaped).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_letters_are_not() {
        assert_eq!(escaped(b"a\x1b[2J\r\n\0"), r"a\u{1b}[2J\r\n\0");
        assert_eq!(escaped("it's wörld".as_bytes()), "it's wörld");
        assert_eq!(escaped(b"\xff\xc3"), r"\xff\xc3");
        assert_eq!(escaped("a\u{202e}b".as_bytes()), r"a\u{202e}b");
    }

    #[test]
    fn a_long_text_is_cut_where_a_character_ends() {
        let text = "ö".repeat(SHOWN + 1);
        assert_eq!(shown(text.as_bytes()), "ö".repeat(SHOWN) + "…");
        assert_eq!(shown("😀".repeat(SHOWN).as_bytes()), "😀".repeat(SHOWN));
        assert_eq!(shown(b"short"), "short");
    }

    #[test]
    fn a_terminal_is_not_played_with() {
        let text = "\x1b[2J\u{202e}a\rb\r\n".as_bytes();
        let safe = "\\u{1b}[2J\\u{202e}a\\rb\n";
        assert_eq!(for_terminal(text), safe);
        assert_eq!(for_terminal("wörld\n".as_bytes()), "wörld\n");
        assert_eq!(for_terminal(b"\xff!"), r"\xff!");
    }
}
