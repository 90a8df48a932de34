//! The rung "the menu".

use std::collections::BTreeSet;
use std::fs;

use crate::finding::Finding;
use crate::start::other_host;
use crate::trial::{Server, Trial};

use super::content::NOTES;
use super::items::{Item, UNSHOWN, fetch_menu, find, leads_here};
use super::world::World;

/// How many of the names in the current folder are looked for.
const NAMES: usize = 20;

pub(super) fn menu(trial: &Trial) -> Result<(), Finding> {
    let mut world = World::with(&[
        World::texts,
        World::others,
        World::folders,
        World::secrets,
        World::links,
    ])?;
    world.add_odd();
    world.add_unshown();
    world.add_pipes();
    let server = world.start(trial)?;
    let items = fetch_menu(&server, "")?;
    shows_all(&world, &server, &items)?;
    shows_no_more(&world, &items)?;
    menu_of_today(&world, &server)?;
    if let Some(other) = other_host() {
        let server = world.start_at(trial, other)?;
        let item = find(&fetch_menu(&server, "")?, NOTES.0)?;
        leads_here(&item, &server)?;
    }
    menu_of_here(trial)
}

/// Each entry has one line, and the right one.
fn shows_all(
    world: &World,
    server: &Server<'_>,
    items: &[Item],
) -> Result<(), Finding> {
    for &(name, kind) in &world.entries {
        let item = find(items, name)?;
        if item.kind != kind {
            return Err(Finding::new(
                format!("type {} for {name}", item.kind),
                format!("type {kind} for {name}"),
                type_words(name),
            ));
        }
        leads_here(&item, server)?;
        let same = |item: &&Item| item.name == name && item.is_entry();
        let times = items.iter().filter(same).count();
        if times > 1 {
            return Err(Finding::new(
                format!("{times} entries with the name {name:?}"),
                "one line for each entry",
                "there is one file of that name in the folder.",
            ));
        }
    }
    Ok(())
}

fn type_words(name: &str) -> &'static str {
    match name {
        "empty.txt" => "an empty file is a text, without a line.",
        "words.bin" | "remarks" | "picture.txt" | "latin-1.txt" => {
            "perhaps the type was guessed from the name. The bytes decide: a \
             text is UTF-8, without a zero byte."
        }
        "zero.txt" => {
            "there is a zero byte in it. UTF-8 has one, and a text has none."
        }
        "late-zero.txt" | "late-byte.txt" => {
            "it begins like a text, and ends with a byte that no text has. \
             Perhaps only its beginning was looked at: all bytes decide."
        }
        "long.txt" => {
            "it is UTF-8 from beginning to end. Perhaps it was judged in \
             pieces, or only its first one: a letter may lie across the border \
             of two."
        }
        "cut.txt" => {
            "its last bytes begin a letter that never ends: that is not UTF-8."
        }
        _ => {
            "0 is a text, 1 a folder, 9 any other file. Whether all bytes are \
             UTF-8, and none is zero, tells a text from other files."
        }
    }
}

/// No file stands there that is not, or that cannot be shown.
fn shows_no_more(world: &World, items: &[Item]) -> Result<(), Finding> {
    let files = items.iter().filter(|item| "09".contains(item.kind));
    for item in files {
        if world.has(&item.name) {
            continue;
        }
        let means = match item.name.as_str() {
            "pipe" | "socket" => {
                "that is a pipe with a name, or a socket: neither a file nor \
                 a folder. Path::is_file tells."
            }
            "." | ".." => "the folder itself, and the one above, are no files.",
            _ => UNSHOWN,
        };
        return Err(Finding::new(
            format!("an entry with the name {:?}", item.name),
            "entries for what is in the folder, and can be shown",
            means,
        ));
    }
    Ok(())
}

/// A menu made anew shows what has come, and not what is gone.
fn menu_of_today(world: &World, server: &Server<'_>) -> Result<(), Finding> {
    let (gone, new) = ("words.bin", "new.txt");
    world.write(new, "new\n")?;
    world.remove(gone)?;
    server.trial.note(format!("{new} comes into the folder, {gone} goes"));
    let items = fetch_menu(server, "")?;
    let means = "perhaps the menu is made once, and kept. The folder may \
                 change: an answer shows what is there when it is asked for.";
    find(&items, new).map_err(|finding| finding.meaning(means))?;
    if find(&items, gone).is_ok() {
        let came = format!("an entry with the name {gone:?}");
        return Err(Finding::new(came, "none: it is gone", means));
    }
    Ok(())
}

/// Without `--dir` the folder in which the program was started is shown. It
/// is ours.
fn menu_of_here(trial: &Trial) -> Result<(), Finding> {
    trial.note("started without --dir");
    let means = "without --dir the folder is the one in which the program \
                 was started: \".\".";
    let before = names_here();
    let server = trial.start(&["--host", "127.0.0.1", "--port", "0"]);
    let server = server.map_err(|finding| finding.meaning(means))?;
    let items = fetch_menu(&server, "");
    let items = items.map_err(|finding| finding.meaning(means))?;
    // Somebody may be at work there.
    let stay: BTreeSet<_> =
        names_here().intersection(&before).cloned().collect();
    for name in stay.iter().take(NAMES) {
        find(&items, name).map_err(|finding| finding.meaning(means))?;
    }
    Ok(())
}

/// The names of files and folders in the current folder.
fn names_here() -> BTreeSet<String> {
    let entries = fs::read_dir(".").into_iter().flatten().flatten();
    let plain = entries.filter(|entry| {
        entry.file_type().is_ok_and(|it| it.is_file() || it.is_dir())
    });
    let names = plain.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !name.contains(['\t', '\r', '\n'])).collect()
}
