//! Promise 3: each link leads somewhere. READMEs are read on GitHub, pages in
//! the book, where nothing outside of its folder exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::assert_none;
use crate::course::Course;
use crate::page::{self, Piece};

/// A page or a README: its name, where it lies, and what it consists of.
struct Document {
    name: String,
    path: PathBuf,
    pieces: Vec<Piece>,
}

/// The ids of each document.
type Ids = BTreeMap<PathBuf, BTreeSet<String>>;

/// What GitHub shows.
const READMES: [&str; 4] =
    ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "exercises/README.md"];

fn documents(course: &Course) -> Vec<Document> {
    let pages = course.pages().into_iter().map(|name| Document {
        path: course.path(&format!("book/src/{name}.md")),
        pieces: course.shown(&name),
        name,
    });
    let exercises = course.list("exercises").into_iter();
    let readmes = exercises
        .map(|name| format!("exercises/{name}/README.md"))
        .filter(|name| course.path(name).is_file())
        .chain(READMES.map(str::to_owned))
        .map(|name| Document {
            path: course.path(&name),
            pieces: page::pieces(&course.read(&name)),
            name,
        });
    pages.chain(readmes).collect()
}

fn dead_links(course: &Course) -> Vec<String> {
    let documents = documents(course);
    let ids: Ids = documents
        .iter()
        .map(|it| (it.path.clone(), it.pieces.iter().flat_map(Piece::ids)))
        .map(|(path, ids)| (path, ids.collect()))
        .collect();
    let book = course.path("book/src");
    let mut wrong = Vec::new();
    for document in &documents {
        let name = &document.name;
        for piece in &document.pieces {
            if let Piece::Dead(text) = piece {
                wrong.push(format!("{name}: [{text}]: no such address"));
            }
        }
        for link in document.pieces.iter().flat_map(Piece::links) {
            if let Some(why) = document.trouble(&link, &book, &ids) {
                wrong.push(format!("{name}: {link}: {why}"));
            }
        }
    }
    wrong
}

impl Document {
    /// Why a link that stands here is dead, if it is.
    fn trouble(
        &self,
        link: &str,
        book: &Path,
        ids: &Ids,
    ) -> Option<&'static str> {
        if link.starts_with("https://") {
            return None;
        }
        let (target, id) = link.split_once('#').unwrap_or((link, ""));
        let target = match target {
            "" => self.path.clone(),
            _ => self.path.with_file_name(target),
        };
        let Ok(target) = target.canonicalize() else {
            return Some("no such file");
        };
        if self.path.starts_with(book) && !target.starts_with(book) {
            return Some("outside of the book");
        }
        let known = ids.get(&target).is_some_and(|ids| ids.contains(id));
        (!id.is_empty() && !known).then_some("no such place")
    }
}

#[test]
fn every_link_leads_somewhere() {
    assert_none(&dead_links(&Course::ours()));
}

#[test]
fn a_dead_link_of_a_page_is_named() {
    let course = Course::copy();
    let links = "[a](nowhere.md) [b](glossary.md#nothing) [c](glossary)\n\
                 [d](../../README.md) [e][nobody]\n";
    course.append("book/src/introduction.md", links);

    let complaints = dead_links(&course);

    assert_eq!(
        complaints,
        [
            "introduction: [nobody]: no such address",
            "introduction: nowhere.md: no such file",
            "introduction: glossary.md#nothing: no such place",
            "introduction: glossary: no such file",
            "introduction: ../../README.md: outside of the book",
        ]
    );
}

#[test]
fn a_link_that_is_dead_only_where_its_text_is_included_is_named() {
    let course = Course::copy();
    let page = "book/src/02_accept_send_close.md";
    let start = "<!-- ANCHOR: a-02-1 -->\n**Right.** ";
    course.change(page, start, &format!("{start}[a](#plumbing) "));

    let complaints = dead_links(&course);

    assert_eq!(complaints, ["answers: #plumbing: no such place"]);
}

#[test]
fn a_dead_link_of_a_readme_is_named() {
    let course = Course::copy();
    let readme = "exercises/01_free_port/README.md";
    course.append(readme, "\n[a](../../lessons/06.rs) [b](../README.md#c)\n");

    let complaints = dead_links(&course);

    assert_eq!(
        complaints,
        [
            format!("{readme}: ../../lessons/06.rs: no such file"),
            format!("{readme}: ../README.md#c: no such place"),
        ]
    );
}
