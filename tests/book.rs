//! The book keeps its promises: every line of the programs is shown, every
//! link leads somewhere, and nothing that mdBook passes over in silence is
//! wrong.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The pages of the lessons, and the files that each shows and explains.
const LESSONS: [(&str, &[&str]); 5] = [
    ("01_bind_listen", &["lessons/01_bind_listen.rs"]),
    (
        "02_accept_send_close",
        &[
            "lessons/02_accept_send_close.rs",
            "lessons/02_client.rs",
            "src/deadline.rs",
            "src/hang_up.rs",
        ],
    ),
    (
        "03_threads",
        &[
            "lessons/03_threads.rs",
            "lessons/03_client.rs",
            "src/visitors.rs",
            "src/accept_retry.rs",
        ],
    ),
    (
        "04_length_prefix",
        &[
            "lessons/04_length_prefix.rs",
            "lessons/04_client.rs",
            "src/message.rs",
        ],
    ),
    (
        "05_file_transfer",
        &["lessons/05_file_transfer.rs", "lessons/05_client.rs"],
    ),
];

/// The parts of a lesson's page, in their order.
const PARTS: [&str; 8] = [
    "Idea",
    "Predict",
    "The code",
    "Run it",
    "Look closer",
    "What goes wrong",
    "Exercise",
    "Questions",
];

/// How many mistakes of the Python originals have a place in the book.
const MISTAKES: usize = 63;

/// How many problems *Symptoms* has.
const SYMPTOMS: usize = 13;

/// How many questions a lesson may have.
const QUESTIONS: std::ops::RangeInclusive<usize> = 5..=6;

/// A copy of the course, or the course itself.
struct Book {
    root: PathBuf,
}

/// A page, as far as links need it.
#[derive(Default)]
struct Page {
    headings: Vec<String>,
    ids: Vec<String>,
    links: Vec<String>,
    pictures: Vec<String>,
}

/// The lines `{{#include FILE:ANCHOR}}` of a page.
struct Include {
    file: PathBuf,
    anchor: Option<String>,
    /// What stands between it and the next code or heading.
    explained: bool,
}

impl Book {
    fn ours() -> Self {
        Self {
            root: PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()),
        }
    }

    /// A copy, to break.
    fn copy() -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        for part in ["book", "lessons", "src"] {
            copy(&Self::ours().root.join(part), &root.join(part));
        }
        (folder, Self { root })
    }

    fn pages_folder(&self) -> PathBuf {
        self.root.join("book/src")
    }

    /// The names of all pages, without SUMMARY.md.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.pages_folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()))
            .filter(|name| name != "SUMMARY")
            .collect();
        names.sort();
        names
    }

    fn text(&self, name: &str) -> String {
        let path = self.pages_folder().join(format!("{name}.md"));
        fs::read_to_string(&path).unwrap_or_default()
    }

    fn includes(&self, name: &str) -> Vec<Include> {
        let text = self.text(name);
        let mut rest = text.as_str();
        let mut includes = Vec::new();
        while let Some((_, after)) = rest.split_once("{{#include ") {
            let (what, after) = after.split_once("}}").unwrap_or((after, ""));
            let (file, anchor) = match what.split_once(':') {
                Some((file, anchor)) => (file, Some(anchor.to_owned())),
                None => (what, None),
            };
            let file = self.pages_folder().join(file);
            let next = after.trim_start().trim_start_matches("```").trim();
            let end = next.find("```").unwrap_or(next.len());
            let end = end.min(next.find("\n#").unwrap_or(next.len()));
            let explained = next[..end].split_whitespace().count() > 3;
            includes.push(Include { file, anchor, explained });
            rest = after;
        }
        includes
    }

    /// The page, its includes laid in, as mdBook's own parser sees it.
    fn page(&self, name: &str) -> Page {
        let text = self.text(name);
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_DEFINITION_LIST;
        let mut page = Page::default();
        let mut titled: Option<(Option<String>, String)> = None;
        for event in Parser::new_ext(&text, options) {
            match event {
                Event::Start(Tag::Heading { id, .. }) => {
                    titled = Some((id.map(|id| id.to_string()), String::new()));
                }
                Event::Start(Tag::DefinitionListTitle) => {
                    titled = Some((None, String::new()));
                }
                Event::End(end) if is_title(end) => {
                    let (id, title) = titled.take().unwrap();
                    page.ids.push(id.unwrap_or_else(|| slug(&title)));
                    if matches!(end, TagEnd::Heading(_)) {
                        page.headings.push(title);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. }) => {
                    page.links.push(dest_url.to_string());
                }
                Event::Start(Tag::Image { dest_url, .. }) => {
                    page.pictures.push(dest_url.to_string());
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some((_, title)) = &mut titled {
                        title.push_str(&text);
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    page.ids.extend(attributes(&html, "id"));
                    page.links.extend(attributes(&html, "href"));
                }
                _ => {}
            }
        }
        page
    }
}

fn is_title(end: TagEnd) -> bool {
    matches!(end, TagEnd::Heading(_) | TagEnd::DefinitionListTitle)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The id that mdBook makes of a title.
fn slug(title: &str) -> String {
    let kept = title.trim().chars().filter_map(|c| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => {
            Some(c.to_ascii_lowercase())
        }
        c if c.is_whitespace() => Some('-'),
        _ => None,
    });
    kept.collect()
}

/// The values of an attribute in a piece of HTML.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let key = format!(" {name}=\"");
    html.split(&key)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The lines of each anchor of a file, and what is wrong with its anchors.
fn anchors(path: &Path) -> (BTreeMap<String, BTreeSet<usize>>, Vec<String>) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let (mut all, mut wrong) = (BTreeMap::new(), Vec::new());
    let mut open: Vec<(String, BTreeSet<usize>)> = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let mark = |key| line.split_once(key).map(|(_, name)| word(name));
        if let Some(name) = mark("ANCHOR_END: ") {
            match open.iter().position(|(other, _)| *other == name) {
                Some(at) => {
                    let (name, lines) = open.remove(at);
                    if all.insert(name.clone(), lines).is_some() {
                        wrong.push(format!("the anchor {name} twice"));
                    }
                }
                None => wrong.push(format!("the anchor {name} only ends")),
            }
        } else if let Some(name) = mark("ANCHOR: ") {
            open.push((name, BTreeSet::new()));
        } else {
            for (_, lines) in &mut open {
                lines.insert(nth + 1);
            }
        }
    }
    let endless = open.into_iter();
    wrong.extend(endless.map(|(name, _)| format!("{name} has no end")));
    (all, wrong)
}

fn word(text: &str) -> String {
    let end = |c: char| !c.is_alphanumeric() && c != '_' && c != '-';
    text.split(end).next().unwrap_or_default().to_owned()
}

/// The numbers of the lines that have to be shown: all code but the tests.
fn code_lines(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(nth, line)| (nth + 1, line))
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with("//")
        })
        .collect()
}

/// Promise 1: each line of code is shown on its page, and explained there.
fn unshown(book: &Book) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, files) in LESSONS {
        let includes = book.includes(name);
        for file in files {
            let path = book.root.join(file);
            let shown_here = includes.iter().filter(|include| {
                include.file.canonicalize().ok() == path.canonicalize().ok()
            });
            let (anchors, _) = anchors(&path);
            let mut shown = BTreeSet::<usize>::new();
            for include in shown_here {
                let anchor = include.anchor.clone().unwrap_or_default();
                if !include.explained {
                    wrong.push(format!("{name}: {file}:{anchor} unexplained"));
                }
                shown.extend(anchors.get(&anchor).into_iter().flatten());
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            for (nth, line) in code_lines(&text) {
                if !shown.contains(&nth) {
                    wrong.push(format!("{file}:{nth} is not shown: {line}"));
                }
            }
        }
    }
    wrong
}

/// What mdBook includes without a word although it is not there.
fn missing_includes(book: &Book) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in book.names() {
        for Include { file, anchor, .. } in book.includes(&name) {
            let shown = file.display();
            if !file.is_file() {
                wrong.push(format!("{name}: there is no {shown}"));
                continue;
            }
            let (anchors, mistakes) = anchors(&file);
            wrong.extend(mistakes.iter().map(|it| format!("{shown}: {it}")));
            if let Some(anchor) = anchor
                && anchors.get(&anchor).is_none_or(BTreeSet::is_empty)
            {
                wrong.push(format!("{name}: no anchor {anchor} in {shown}"));
            }
        }
    }
    wrong
}

/// Promise 3: each link leads to a page, and to a place on it.
fn dead_links(book: &Book) -> Vec<String> {
    let names = book.names();
    let pages: BTreeMap<_, _> =
        names.iter().map(|name| (name.clone(), book.page(name))).collect();
    let mut wrong = Vec::new();
    for (name, page) in &pages {
        let links = page.links.iter().chain(&page.pictures);
        for link in links.filter(|link| !link.starts_with("https://")) {
            let (target, id) = link.split_once('#').unwrap_or((link, ""));
            let target = match target {
                "" => name.as_str(),
                _ => target.strip_suffix(".md").unwrap_or(target),
            };
            match pages.get(target) {
                None => wrong.push(format!("{name}: {link}: no such page")),
                Some(page) if !id.is_empty() && !has_id(page, id) => {
                    wrong.push(format!("{name}: {link}: no such place"));
                }
                Some(_) => {}
            }
        }
    }
    wrong
}

fn has_id(page: &Page, id: &str) -> bool {
    page.ids.iter().any(|other| other == id)
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_line_of_the_programs_is_shown_and_explained() {
    assert_none(&unshown(&Book::ours()));
}

#[test]
fn every_include_finds_its_lines() {
    assert_none(&missing_includes(&Book::ours()));
}

#[test]
fn every_link_leads_somewhere() {
    assert_none(&dead_links(&Book::ours()));
}

#[test]
fn a_line_that_is_not_shown_is_named() {
    let (_folder, book) = Book::copy();
    let path = book.root.join("lessons/02_client.rs");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + "\nfn new() {}\n").unwrap();

    let complaints = unshown(&book);

    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].ends_with("is not shown: fn new() {}"));
}

#[test]
fn an_anchor_that_is_gone_is_named() {
    let (_folder, book) = Book::copy();
    let path = book.root.join("src/hang_up.rs");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replacen("ANCHOR: ", "ANCHOR: no_", 1);
    fs::write(&path, text.replacen("ANCHOR_END: ", "ANCHOR_END: no_", 1))
        .unwrap();

    let complaints = missing_includes(&book);

    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("02_accept_send_close: no anchor"));
}

#[test]
fn a_dead_link_is_named() {
    let (_folder, book) = Book::copy();
    let path = book.pages_folder().join("introduction.md");
    let text = fs::read_to_string(&path).unwrap();
    let links = "\n[a](nowhere.md) [b](glossary.md#nothing)\n";
    fs::write(&path, text + links).unwrap();

    let complaints = dead_links(&book);

    assert_eq!(
        complaints,
        [
            "introduction: nowhere.md: no such page",
            "introduction: glossary.md#nothing: no such place"
        ]
    );
}

#[test]
fn each_lesson_has_its_eight_parts_in_order() {
    for (name, _) in LESSONS {
        let text = Book::ours().text(name);
        let parts: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(parts, PARTS, "{name}");
    }
}

#[test]
fn all_pages_are_in_the_summary_and_no_others() {
    let book = Book::ours();
    let summary = book.page("SUMMARY").links;
    let listed: BTreeSet<_> =
        summary.iter().map(|link| link.replace(".md", "")).collect();
    assert_eq!(listed, book.names().into_iter().collect());
}

#[test]
fn each_mistake_and_each_problem_has_one_place() {
    let book = Book::ours();
    let names = book.names();
    let ids: Vec<_> =
        names.iter().flat_map(|name| book.page(name).ids).collect();
    let expected = (1..=MISTAKES)
        .map(|nth| format!("m-{nth}"))
        .chain((1..=SYMPTOMS).map(|nth| format!("s-{nth}")));
    let wrong = expected.filter_map(|id| {
        let count = ids.iter().filter(|other| **other == id).count();
        (count != 1).then(|| format!("{id}: {count} places"))
    });
    assert_none(&wrong.collect::<Vec<_>>());
}

#[test]
fn each_question_has_its_answer() {
    let book = Book::ours();
    let answered: BTreeSet<_> = book
        .includes("answers")
        .into_iter()
        .map(|include| include.anchor.unwrap())
        .collect();
    let mut asked = BTreeSet::new();
    for (name, _) in LESSONS {
        let ids = book.page(name).ids;
        let here: Vec<_> =
            ids.iter().filter_map(|id| id.strip_prefix("q-")).collect();
        assert!(QUESTIONS.contains(&here.len()), "{name}: {here:?}");
        asked.extend(here.iter().map(|nth| format!("a-{nth}")));
    }
    assert_eq!(asked, answered);
}

#[test]
fn a_picture_can_be_read_aloud_and_does_not_break_the_page() {
    let folder = Book::ours().pages_folder().join("img");
    let mut ids = BTreeSet::new();
    for (name, _) in LESSONS {
        let nth = &name[..2];
        let mut files = fs::read_dir(&folder).unwrap().flatten();
        let file = files
            .find(|entry| entry.file_name().to_string_lossy().starts_with(nth));
        let text = fs::read_to_string(file.unwrap().path()).unwrap();

        assert!(text.contains("<title") && text.contains("<desc"), "{name}");
        assert!(text.contains("role=\"img\""), "{name}");
        // A blank line ends the HTML block, and mangles the page.
        assert!(!text.trim_end().contains("\n\n"), "{name}: a blank line");
        for id in attributes(&text, "id") {
            // All pages together make the one that is printed.
            assert!(ids.insert(id.clone()), "{name}: the id {id} twice");
        }
    }
}
