//! The rung "nothing outside the folder".

use std::collections::BTreeSet;
use std::path::Path;

use crate::client::ReadEnd;
use crate::finding::{Finding, quoted};
use crate::trial::{Server, Trial};

use super::content::NOTES;
use super::items::{Item, fetch_menu, find, items};
use super::texts::is_notes;
use super::world::{NEIGHBOUR, SECRET, SHORT_LIVED, World};
use super::{ask_all, fetch, soon};

pub(super) fn outside(trial: &Trial) -> Result<(), Finding> {
    let mut world = World::with(&[
        World::folders,
        World::secrets,
        World::links,
        World::short_lived,
    ])?;
    world.add_pipes();
    let server = world.start(trial)?;
    let missing = "there-is-no-such-file.txt";
    is_error(&fetch(&server, "A", missing)?, missing)?;
    let menu = fetch_menu(&server, "").map_err(|finding| {
        finding.harm("asking for what is not there has ended the program.")
    })?;
    gone(&world, &server, &menu)?;
    let forms = forms(&menu)?;
    ask_in(&server, &forms, &forbidden(world.above()), refuses)?;
    #[cfg(unix)]
    {
        let names = ["pipe", "socket", "dead", "loop"].map(str::to_owned);
        ask_in(&server, &forms, &names, |bytes, end, _, name| {
            is_error(&ended(bytes, end, name)?, name)
        })?;
    }
    links_inside(&server, &menu)?;
    fetch_menu(&server, "").map(drop)
}

/// What is gone since it stood in the menu is an error.
fn gone(
    world: &World,
    server: &Server<'_>,
    menu: &[Item],
) -> Result<(), Finding> {
    let name = SHORT_LIVED;
    world.remove(name)?;
    server.trial.note(format!("{name} goes"));
    let selector = find(menu, name)?.selector;
    is_error(&fetch(server, "A", selector)?, name)
}

/// How many ask at the same time: a server has room for more.
const AT_ONCE: usize = 24;

/// How this server makes a selector of a name: the known names of a file and
/// a folder, and their selectors.
type Forms = [(&'static str, String); 2];

fn forms(menu: &[Item]) -> Result<Forms, Finding> {
    let form = |name| find(menu, name).map(|item| (name, item.selector));
    Ok([form(NOTES.0)?, form("empty")?])
}

/// Asks for paths as they are, and in the forms that the server's own
/// selectors have, many at the same time, and lets `judge` look at the answers.
fn ask_in(
    server: &Server<'_>,
    forms: &Forms,
    paths: &[String],
    judge: impl Fn(Vec<u8>, ReadEnd, &str, &str) -> Result<(), Finding>,
) -> Result<(), Finding> {
    let all = paths.iter().flat_map(|path| {
        selectors(forms, path).into_iter().map(move |it| (it, path))
    });
    let all: Vec<_> = all.collect();
    for some in all.chunks(AT_ONCE) {
        let clients = ask_all(server, some.iter().map(|(it, _)| it))?;
        for (mut client, (selector, path)) in clients.into_iter().zip(some) {
            let (bytes, end) = client.hear_out(soon());
            judge(bytes, end, selector, path)?;
        }
    }
    Ok(())
}

/// A path as it is, and in the forms that the server's selectors have.
fn selectors(forms: &Forms, path: &str) -> BTreeSet<String> {
    // A number, for example, has no name in it.
    let named = forms.iter().filter(|(name, known)| known.contains(name));
    let others = named.map(|(name, known)| known.replace(name, path));
    others.chain([path.to_owned()]).collect()
}

/// The answer to a forbidden selector shows nothing, and says so.
fn refuses(
    bytes: Vec<u8>,
    end: ReadEnd,
    selector: &str,
    path: &str,
) -> Result<(), Finding> {
    let text = String::from_utf8_lossy(&bytes);
    // An error may repeat what was asked for.
    let named = text.contains(NEIGHBOUR) && !selector.contains(NEIGHBOUR);
    let listed = text.contains("diary.txt") && !selector.contains("diary.txt");
    if text.contains(SECRET) || listed || named {
        return Err(leak(&bytes, path));
    }
    // Where .. is taken for no further up than the folder, this is its menu.
    let up = |name: &str| ["", "..", "sub"].contains(&name);
    if path.split('/').all(up) && text.contains(NOTES.0) {
        return items(&bytes).map(drop);
    }
    let came = ended(bytes, end, selector)?;
    is_error(&came, path)
}

/// An answer that has come to its end.
fn ended(
    bytes: Vec<u8>,
    end: ReadEnd,
    selector: &str,
) -> Result<Vec<u8>, Finding> {
    if end == ReadEnd::End {
        return Ok(bytes);
    }
    Err(Finding::new(
        format!("{}, then {end}", quoted(&bytes)),
        format!("an error for {selector:?}, then the end"),
        "what is refused is answered, too, and the connection closed: the \
         client waits. Opening a pipe with a name waits for its other end.",
    ))
}

/// Whether an answer is a menu of one line, of type 3.
fn is_error(bytes: &[u8], selector: &str) -> Result<(), Finding> {
    let lines = items(bytes).unwrap_or_default();
    if matches!(&lines[..], [line] if line.kind == '3') {
        return Ok(());
    }
    let means = if bytes.is_empty() {
        "the connection was closed without an answer. What is not there, or \
         not allowed, is answered with an item of type 3: an error is no \
         reason to panic, or to leave."
    } else if bytes.starts_with(b"3") {
        "an error is a menu, too: one line with four fields, which ends with \
         \\r\\n, and then the dot, \".\\r\\n\"."
    } else {
        "what is not there, or not allowed, is answered with a line of type \
         3, and no other."
    };
    Err(Finding::new(
        format!("for {selector:?}: {}", quoted(bytes)),
        "\"3not found\\t\\terror.host\\t1\\r\\n.\\r\\n\", in your words",
        means,
    ))
}

/// A link that stays inside is followed, or refused.
fn links_inside(server: &Server<'_>, menu: &[Item]) -> Result<(), Finding> {
    let means = "a link that stays inside the folder is answered like what \
                 it leads to, or refused like one that leads outside.";
    let links: [(&str, Judge); 2] =
        [("inside.txt", is_notes), ("inner", is_sub)];
    for (name, is_followed) in links {
        // The menu need not have it.
        let Ok(item) = find(menu, name) else { continue };
        let came = fetch(server, "A", item.selector)?;
        is_error(&came, name)
            .or_else(|_| is_followed(&came))
            .map_err(|finding| finding.meaning(means))?;
    }
    Ok(())
}

/// Tells whether an answer is the right one.
type Judge = fn(&[u8]) -> Result<(), Finding>;

/// The menu of the folder `sub`.
fn is_sub(came: &[u8]) -> Result<(), Finding> {
    find(&items(came)?, "inner.txt").map(drop)
}

fn leak(bytes: &[u8], path: &str) -> Finding {
    let means = if path.starts_with("link") || path.starts_with("chain") {
        "a symbolic link in the folder leads outside, and was followed. \
         fs::canonicalize says where a path really leads."
    } else if path.contains('%') {
        "perhaps the selector was decoded after it had been judged: %2e is a \
         dot then, and %2f a /. Judge the path that is opened, or decode \
         nothing."
    } else if path.contains('\\') {
        "perhaps \\ was made a / after the selector had been judged. Judge \
         the path that is opened."
    } else if path.starts_with("....") {
        "perhaps ../ was cut out of the selector: what remains of ....// is \
         ../ again. Judge where a path leads, and mend nothing."
    } else if path.contains("pub-private") {
        "perhaps paths were compared as strings: \"/x/pub-private\" begins \
         with \"/x/pub\". Path::starts_with compares whole names."
    } else if path.starts_with("..") || path.contains("/..") {
        "the selector was joined to the folder as it is. Each .. leads one \
         folder up."
    } else {
        "an absolute path replaces what it is joined to: that is how \
         Path::join works."
    };
    Finding::new(
        quoted(bytes),
        format!("an error for {path}, and nothing of what is outside"),
        means,
    )
}

/// Paths that lead outside, or would if they were trusted.
fn forbidden(root: &Path) -> Vec<String> {
    let absolute = |name: &str| root.join(name).to_string_lossy().into_owned();
    vec![
        format!("../{NEIGHBOUR}"),
        format!("/../{NEIGHBOUR}"),
        format!("sub/../../{NEIGHBOUR}"),
        format!("sub/deeper/../../../{NEIGHBOUR}"),
        format!("..\\{NEIGHBOUR}"),
        format!("....//{NEIGHBOUR}"),
        format!("%2e%2e/{NEIGHBOUR}"),
        format!("..%2f{NEIGHBOUR}"),
        "..".to_owned(),
        "../".to_owned(),
        "sub/../..".to_owned(),
        absolute(NEIGHBOUR),
        format!("/{}", absolute(NEIGHBOUR)),
        absolute(""),
        "../pub-private/".to_owned(),
        "../pub-private/diary.txt".to_owned(),
        absolute("pub-private"),
        "link.txt".to_owned(),
        "linked".to_owned(),
        "linked/".to_owned(),
        "chain.txt".to_owned(),
        "linked/diary.txt".to_owned(),
        format!("linked/../{NEIGHBOUR}"),
    ]
}
