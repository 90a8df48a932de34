//! The rung "other files, byte for byte".

use crate::finding::{Finding, quoted};
use crate::trial::{Server, Trial};

use super::content::{NOTES, large, others};
use super::items::{Item, fetch_menu, find, items};
use super::texts::difference;
use super::world::World;
use super::{ask_again, fetch, fetch_all};

pub(super) fn binaries(trial: &Trial) -> Result<(), Finding> {
    let world = World::with(&[World::others])?;
    world.write("large.bin", large())?;
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    let selector = |name| find(&items, name).map(|item| item.selector);
    let selectors: Result<Vec<_>, _> =
        others().iter().map(|(name, _)| selector(name)).collect();
    let answers = fetch_all(&server, &selectors?)?;
    for ((name, content), came) in others().iter().zip(answers) {
        compare_bytes(name, content, &came)?;
    }
    let came = fetch(&server, "A", selector("large.bin")?)?;
    compare_bytes("large.bin", large(), &came)?;
    no_text_any_more(&world, &server)
}

/// A text that was written anew, and is none now, is sent as it is.
fn no_text_any_more(world: &World, server: &Server<'_>) -> Result<(), Finding> {
    const BYTES: &[u8] = b"one\n\xff\0\n";
    let (name, ..) = NOTES;
    world.write(name, BYTES)?;
    server.trial.note(format!("{name} has been written anew, and is no text"));
    // Its selector may be another, too.
    let item = find(&fetch_menu(server, "")?, name)?;
    let came = fetch(server, "A", &item.selector)?;
    if item.kind == '9' && came == BYTES {
        return Ok(());
    }
    Err(Finding::new(
        format!("type {} for {name}, and {}", item.kind, quoted(&came)),
        format!("type 9, and {}", quoted(BYTES)),
        "perhaps the program remembers that it was a text. The folder may \
         change: an answer shows what is there when it is asked for.",
    ))
}

/// The selector of the large file, which stands in a folder of its own.
pub(super) fn large_file(
    server: &Server<'_>,
    menu: &[Item],
) -> Result<String, Finding> {
    let folder = find(menu, "large")?.selector;
    let has_large = |came: &[u8]| find(&items(came)?, "large.bin");
    Ok(ask_again(server, "A", &folder, has_large)?.selector)
}

/// The answer to a file that is no text.
pub(super) fn compare_bytes(
    name: &str,
    content: &[u8],
    came: &[u8],
) -> Result<(), Finding> {
    if came == content {
        return Ok(());
    }
    let equal = content.iter().zip(came).take_while(|(a, b)| a == b).count();
    let means = if came.starts_with(b"3") {
        "your own menu gave this selector, and the server does not know it, \
         or cannot read the file: not every file is UTF-8."
    } else if came.len() < content.len() && equal == came.len() {
        "only a part was sent: one read, or one write, is not the whole file."
    } else if equal == content.len() {
        "something was sent after the file. A file that is no text has no \
         dot at its end: the connection's end is its end."
    } else {
        "perhaps the bytes were taken for text: dots, line ends and bytes \
         that are not UTF-8 must stay as they are."
    };
    let (came_here, expected_here) = difference(came, content);
    Err(Finding::new(format!("for {name}: {came_here}"), expected_here, means))
}
