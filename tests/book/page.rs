//! A page, taken apart by mdBook's own parser.

use pulldown_cmark::{
    BrokenLink, CodeBlockKind, Event, Options, Parser, Tag, TagEnd,
};

/// What a page consists of, in the order in which it stands there.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// A heading of this level, or a term of the glossary, with level 0.
    Title { level: usize, id: String, title: String },
    /// A block of code.
    Block { language: String, code: String },
    /// Words in backticks.
    Code(String),
    /// Other words.
    Words(String),
    /// HTML without its comments.
    Html(String),
    /// A comment, without its marks.
    Comment(String),
    /// Where a link leads, or a picture is.
    Link(String),
    /// What looks like a link, and has no address: `[text][name]`.
    Dead(String),
}

impl Piece {
    /// The ids that a link can lead to.
    pub fn ids(&self) -> Vec<String> {
        match self {
            Self::Title { id, .. } => vec![id.clone()],
            Self::Html(html) => attributes(html, "id"),
            _ => Vec::new(),
        }
    }

    pub fn links(&self) -> Vec<String> {
        match self {
            Self::Link(link) => vec![link.clone()],
            Self::Html(html) => attributes(html, "href"),
            _ => Vec::new(),
        }
    }
}

/// A page of which a part has been read.
#[derive(Default)]
struct Reader {
    pieces: Vec<Piece>,
    /// The text so far of a title, a block or HTML, and its id or language.
    open: Option<String>,
    label: Option<String>,
}

/// What a text consists of.
pub fn pieces(text: &str) -> Vec<Piece> {
    // As in mdBook, where a note begins with `[!NOTE]`, too.
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_GFM;
    let mut dead = Vec::new();
    let mut bury = |link: BrokenLink<'_>| {
        dead.push(Piece::Dead(link.reference.into_string()));
        None
    };
    let mut reader = Reader::default();
    Parser::new_with_broken_link_callback(text, options, Some(&mut bury))
        .for_each(|event| reader.take(event));
    reader.pieces.extend(dead);
    reader.pieces
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        match (event, &mut self.open) {
            (Event::Start(tag), _) => self.start(tag),
            (Event::End(end), Some(_)) => self.end(end),
            (Event::InlineHtml(html), _) => self.html(&html),
            (
                Event::Text(text) | Event::Code(text) | Event::Html(text),
                Some(open),
            ) => open.push_str(&text),
            (Event::Code(code), None) => {
                self.pieces.push(Piece::Code(code.into_string()));
            }
            (Event::Text(text), None) => {
                self.pieces.push(Piece::Words(text.into_string()));
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        self.label = match tag {
            Tag::Heading { id, .. } => id.map(Into::into),
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => Some(info.into()),
            Tag::CodeBlock(CodeBlockKind::Indented)
            | Tag::DefinitionListTitle
            | Tag::HtmlBlock => None,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.pieces.push(Piece::Link(dest_url.into_string()));
                return;
            }
            _ => return,
        };
        self.open = Some(String::new());
    }

    fn end(&mut self, end: TagEnd) {
        let level = match end {
            TagEnd::Heading(level) => level as usize,
            TagEnd::DefinitionListTitle => 0,
            TagEnd::CodeBlock => {
                let language = self.label.take().unwrap_or_default();
                let code = self.open.take().unwrap_or_default();
                return self.pieces.push(Piece::Block { language, code });
            }
            TagEnd::HtmlBlock => {
                let html = self.open.take().unwrap_or_default();
                return self.html(&html);
            }
            _ => return,
        };
        let title = self.open.take().unwrap_or_default();
        let id = self.label.take().unwrap_or_else(|| slug(&title));
        self.pieces.push(Piece::Title { level, id, title });
    }

    fn html(&mut self, html: &str) {
        let (html, after) = html.split_once("<!--").unwrap_or((html, ""));
        if !html.trim().is_empty() {
            self.pieces.push(Piece::Html(html.to_owned()));
        }
        if let Some((comment, after)) = after.split_once("-->") {
            self.pieces.push(Piece::Comment(comment.trim().to_owned()));
            self.html(after);
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
pub fn attributes(html: &str, name: &str) -> Vec<String> {
    let key = format!(" {name}=\"");
    html.split(&key)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}
