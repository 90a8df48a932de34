//! The rung "texts", and what is wrong with the answer to one.

use std::time::Duration;

use crate::finding::{Finding, quoted};
use crate::trial::{Server, Trial};

use super::content::{NOTES, TEXTS, long_answer, long_text};
use super::items::{fetch_menu, find};
use super::world::World;
use super::{answer, fetch, fetch_all};

pub(super) fn texts(trial: &Trial) -> Result<(), Finding> {
    let world = World::with(&[World::texts])?;
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    let long = long_answer();
    let mut files = vec![NOTES, ("long.txt", long_text(), &long)];
    files.extend(TEXTS);
    let find = |name| find(&items, name).map(|item| item.selector);
    let selectors: Result<Vec<_>, _> =
        files.iter().map(|(name, ..)| find(name)).collect();
    let answers = fetch_all(&server, &selectors?)?;
    for ((name, content, expected), came) in files.iter().zip(answers) {
        compare_text(name, content, &came, expected)?;
    }
    let selector = find(NOTES.0)?;
    in_pieces(&server, &selector)?;
    text_of_today(&world, &server, &selector)
}

/// A text that was written anew is sent as it is now.
fn text_of_today(
    world: &World,
    server: &Server<'_>,
    selector: &str,
) -> Result<(), Finding> {
    let (name, ..) = NOTES;
    let (content, expected) =
        ("one\ntwo\nmore\n", "one\r\ntwo\r\nmore\r\n.\r\n");
    world.write(name, content)?;
    server.trial.note(format!("{name} has been written anew, and is longer"));
    let came = fetch(server, "A", selector)?;
    let means = "perhaps the answer was kept from before. The folder may \
                 change: an answer shows what is there when it is asked for.";
    compare_text(name, content, &came, expected)
        .map_err(|finding| finding.meaning(means))
}

/// A selector in pieces is answered like one in one piece.
fn in_pieces(server: &Server<'_>, selector: &str) -> Result<(), Finding> {
    let pause = Duration::from_millis(40);
    let means = "perhaps one read was taken for the whole selector. It may \
                 come in pieces: read up to the line feed.";
    let mut client = server.connect("B")?;
    client
        .send_in_bytes(format!("{selector}\r\n"), pause)
        .and_then(|()| answer(&mut client))
        .and_then(|came| is_notes(&came))
        .map_err(|finding| finding.meaning(means))
}

pub(super) fn compare_text(
    name: &str,
    content: &str,
    came: &[u8],
    expected: &str,
) -> Result<(), Finding> {
    if came == expected.as_bytes() {
        return Ok(());
    }
    let (came_here, expected_here) = difference(came, expected.as_bytes());
    let file = quoted(content.as_bytes());
    Err(Finding::new(
        format!("for {name}: {came_here}"),
        format!("{expected_here}\nfor a file with {file}"),
        text_words(content, came, expected),
    ))
}

/// The answer to the text that each folder has.
pub(super) fn is_notes(came: &[u8]) -> Result<(), Finding> {
    let (name, content, expected) = NOTES;
    compare_text(name, content, came, expected)
}

/// A text of one line.
pub(super) fn one_line(
    name: &str,
    line: &str,
    came: &[u8],
) -> Result<(), Finding> {
    let (content, expected) = (format!("{line}\n"), format!("{line}\r\n.\r\n"));
    compare_text(name, &content, came, &expected)
}

/// Both, or where they differ if they are long.
pub(super) fn difference(came: &[u8], expected: &[u8]) -> (String, String) {
    const SHORT: usize = 100;
    const BEFORE: usize = 12;
    const AFTER: usize = 24;
    if came.len().max(expected.len()) <= SHORT {
        return (quoted(came), quoted(expected));
    }
    let equal = expected.iter().zip(came).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let to = bytes.len().min(equal + AFTER);
        quoted(&bytes[equal.saturating_sub(BEFORE).min(to)..to])
    };
    let text = "bytes; the first";
    let count = came.len();
    (
        format!("{count} {text} {equal} are right, there: {}", around(came)),
        format!("{} bytes; there: {}", expected.len(), around(expected)),
    )
}

/// What a wrong answer to a text usually means.
fn text_words(content: &str, came: &[u8], expected: &str) -> &'static str {
    let text = String::from_utf8_lossy(came);
    if came.is_empty() && !content.is_empty() {
        return "nothing was sent for a selector of your own menu. Does the \
                path lead to the file? Path::join with a path that begins \
                with / forgets the folder.";
    }
    if came.starts_with(b"3") {
        return "your own menu gave this selector, and the server does not \
                know it.";
    }
    if came == content.as_bytes() && !came.is_empty() {
        return "the file was sent as it is. A text is sent line by line, each \
                ended with \\r\\n, and after the last comes \".\\r\\n\".";
    }
    if content.is_empty() {
        return "an empty file is a text without lines: its answer is the dot \
                alone.";
    }
    if !text.ends_with(".\r\n") {
        return "the last line, \".\\r\\n\", is missing, or ends with \\n \
                alone.";
    }
    ends_words(&text).unwrap_or_else(|| lines_words(content, &text, expected))
}

/// What is wrong with the ends of the lines.
fn ends_words(text: &str) -> Option<&'static str> {
    if text.contains("\r\r\n") {
        return Some(
            "a line that ends with \\r\\n in the file has got one more \
                \\r: the \\r belongs to the line's end.",
        );
    }
    if text.replace("\r\n", "").contains('\n') {
        return Some(
            "each line ends with \\r\\n, whatever its end in the file: \
                here, one ends with \\n alone.",
        );
    }
    None
}

fn lines_words(content: &str, came: &str, expected: &str) -> &'static str {
    let bare = |text: &str| -> Vec<String> {
        let lines = text.split("\r\n");
        lines.map(|line| line.trim_start_matches('.').to_owned()).collect()
    };
    if bare(came) == bare(expected) {
        return "dot-stuffing: every line that begins with a dot gets one \
                more, and no other. A reader would take a line with a dot \
                alone for the end.";
    }
    if content.len() > 1024 {
        return "it is a long text. Perhaps it was read in pieces, and each \
                piece was taken for whole lines, or whole letters.";
    }
    if content.contains('\u{2028}') {
        return "perhaps a line was ended at another character. In the file \
                \\n ends a line, alone or after a \\r, and nothing else.";
    }
    if content.ends_with('\r') {
        return "perhaps the \\r at the end of the file was taken for the end of \
                its line, or for a part of it. Only \\n ends a line, alone or \
                after a \\r.";
    }
    if !content.ends_with('\n') {
        return "the last line has no end in the file. It is sent with \
                \\r\\n like the others, and then comes \".\\r\\n\".";
    }
    "each line is sent as it is, with \\r\\n for its end in the file, and \
     with one dot more if it begins with a dot; then comes \".\\r\\n\"."
}
