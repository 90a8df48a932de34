//! The rung "folders in folders".

use std::path::PathBuf;

use harness::Deadline;

use crate::finding::Finding;
use crate::trial::{START_TIME, Server, Trial};

use super::content::NOTES;
use super::items::{Item, fetch_menu, find, items, leads_here};
use super::texts::{compare_text, is_notes, one_line};
use super::world::{LONGEST, World};
use super::{fetch, fetch_all};

pub(super) fn folders(trial: &Trial) -> Result<(), Finding> {
    let mut world =
        World::with(&[World::folders, World::not_utf8, World::other_way])?;
    world.add_odd();
    // Not every system has such long paths.
    let deep = world.go_deep().unwrap_or_default();
    let server = world.start(trial)?;
    let top = fetch_menu(&server, "")?;
    odd_names(&world, &server, &top)?;
    down_to_the_leaf(&server, &find(&top, "sub")?.selector)?;
    nothing_in(&server, &find(&top, "empty")?.selector)?;
    #[cfg(unix)]
    names_of_bytes(&server, &find(&top, "not-utf8")?.selector)?;
    long_selectors(&server, top, &deep)?;
    folder_in_other_words(trial, &world)
}

/// What is in a folder, and in a folder in that.
fn down_to_the_leaf(server: &Server<'_>, sub: &str) -> Result<(), Finding> {
    let sub = fetch_menu(server, sub)?;
    let deeper = find(&sub, "deeper")?;
    leads_here(&deeper, server)?;
    let asked =
        [find(&sub, "inner.txt")?, find(&sub, "notes.txt")?, deeper.clone()];
    let answers = fetch_all(server, &asked.map(|item| item.selector))?;
    one_line("inner.txt", "inside", &answers[0])?;
    one_line("notes.txt", "of sub", &answers[1])?;
    let deeper = items(&answers[2])?;
    find(&deeper, "two words")?;
    let leaf = find(&deeper, "leaf.txt")?.selector;
    one_line("leaf.txt", "at the end", &fetch(server, "A", leaf)?)
}

/// Each file with an odd name can be asked for.
fn odd_names(
    world: &World,
    server: &Server<'_>,
    top: &[Item],
) -> Result<(), Finding> {
    let names = world.odd_names();
    let selector = |name: &&str| find(top, name).map(|item| item.selector);
    let selectors: Result<Vec<_>, _> = names.iter().map(selector).collect();
    let answers = fetch_all(server, &selectors?)?;
    for (name, came) in names.iter().zip(answers) {
        let expected = format!("{name}\r\n.\r\n");
        let dot = if name.starts_with('.') { "." } else { "" };
        let expected = format!("{dot}{expected}");
        compare_text(&format!("{name:?}"), name, &came, &expected)
            .map_err(|finding| finding.meaning(name_words(name)))?;
    }
    Ok(())
}

fn name_words(name: &str) -> &'static str {
    if name.contains("..") {
        "perhaps .. was searched in the selector as text. A name may have two \
         dots in it: only a name that is .. leads up."
    } else if name.trim() != name {
        "perhaps the selector was trimmed. Its end is \\r\\n: a space before \
         that is a part of the name."
    } else if name.contains('%') || name.contains('+') {
        "perhaps the selector was decoded as in the Web. It is what your own \
         menu says, as it is."
    } else if name.contains('\\') {
        "perhaps \\ was taken for the mark between two names. It is a letter \
         like others here."
    } else if name == "UPPER.TXT" {
        "perhaps the selector was put into lower case: UPPER.TXT and upper.txt \
         are two names."
    } else {
        "your own menu gave this selector, and another answer came than the \
         file."
    }
}

/// An empty folder has a menu: the dot.
fn nothing_in(server: &Server<'_>, selector: &str) -> Result<(), Finding> {
    let items = fetch_menu(server, selector)?;
    let means = "an empty folder is a folder: its menu is the dot alone, with \
                 remarks if you like.";
    let wrong = items.iter().find(|item| "039".contains(item.kind));
    wrong.map_or(Ok(()), |item| {
        Err(Finding::new(
            format!("a line of type {}: {:?}", item.kind, item.name),
            "the menu of an empty folder: \".\\r\\n\"",
            means,
        ))
    })
}

/// A name that is no UTF-8 does not spoil the menu.
#[cfg(unix)]
fn names_of_bytes(server: &Server<'_>, selector: &str) -> Result<(), Finding> {
    let means = "there is a file beside it whose name is not UTF-8. Perhaps \
                 that has spoiled the menu: show it in some way, or leave it \
                 out.";
    fetch_menu(server, selector)
        .and_then(|items| find(&items, "fine.txt"))
        .and_then(|item| fetch(server, "A", item.selector))
        .and_then(|came| one_line("fine.txt", "fine", &came))
        .map_err(|finding| finding.harm(means))
}

/// Asks for the file with the longest selector that has to be answered. It is
/// in the innermost of the folders with these names.
fn long_selectors(
    server: &Server<'_>,
    top: Vec<Item>,
    folders: &[String],
) -> Result<(), Finding> {
    let means = format!(
        "perhaps the limit for a selector is too low. It has at least \
         {LONGEST} bytes for the selector itself, without the line's end."
    );
    let items = go_down(server, top, folders)
        .map_err(|finding| finding.meaning(&means))?;
    let short = |item: &&Item| item.selector.len() <= LONGEST;
    let deep = |item: &&Item| item.kind == '0' && item.name.starts_with("ff");
    let files = items.iter().filter(deep).filter(short);
    let Some(longest) = files.max_by_key(|item| item.selector.len()) else {
        return Ok(());
    };
    let length = longest.selector.len();
    server.trial.note(format!("the next selector has {length} bytes"));
    fetch(server, "A", &longest.selector)
        .and_then(|came| one_line("the file", "deep", &came))
        .map_err(|finding| finding.meaning(&means))
}

/// The menu of the innermost of folders with long names. It is empty if the
/// server makes selectors that need not be answered: they may be left out.
fn go_down(
    server: &Server<'_>,
    mut items: Vec<Item>,
    names: &[String],
) -> Result<Vec<Item>, Finding> {
    let (mut path, mut selector) = (0, 0);
    for name in names {
        let next = path + name.len() + 1;
        // As long as the last one of this server, in proportion.
        let must = selector * next <= LONGEST * path.max(1);
        path = next;
        match find(&items, name) {
            Err(_) if !must => return Ok(Vec::new()),
            Ok(item) if item.selector.len() > LONGEST => return Ok(Vec::new()),
            found => {
                let found = found?.selector;
                selector = found.len();
                items = fetch_menu(server, &found)?;
            }
        }
    }
    Ok(items)
}

/// The same folder by other names, as "." would be one.
fn folder_in_other_words(trial: &Trial, world: &World) -> Result<(), Finding> {
    let means = "the folder may be given in any form, such as \".\", or a \
                 link. Both paths have to be canonical before they are \
                 compared.";
    let mut forms = vec![world.path().join("sub/..")];
    if cfg!(unix) {
        forms.push(world.above().join("way"));
    }
    let start = |dir: &PathBuf| {
        let dir = dir.to_string_lossy();
        trial.spawn(&["--host", "127.0.0.1", "--port", "0", "--dir", &dir])
    };
    let processes: Result<Vec<_>, _> = forms.iter().map(start).collect();
    let until = Deadline::after(START_TIME);
    for process in processes? {
        let server = trial.await_listening(process, until)?;
        fetch_menu(&server, "")
            .and_then(|items| find(&items, NOTES.0))
            .and_then(|item| fetch(&server, "A", item.selector))
            .and_then(|came| is_notes(&came))
            .map_err(|finding| finding.meaning(means))?;
    }
    Ok(())
}
