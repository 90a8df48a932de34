//! A change, as the page of its chapter has it.

use first_socket::errors::Error;

use crate::task::Task;
use crate::tree::Tree;

/// Where the solution begins, which is folded.
const FOLD: &str = "<details";

/// One change of a page.
#[derive(Debug)]
pub struct Change {
    text: String,
}

impl Change {
    /// Finds it: the part under `### Change 04.3: …`.
    ///
    /// # Errors
    /// When the page has no such change.
    pub fn read(tree: &Tree, task: Task) -> Result<Self, Error> {
        let number = task.number();
        let page = tree.read(&task.page())?;
        let head = format!("\n### Change {number}: ");
        let (_, rest) = page.split_once(&head).ok_or_else(|| {
            Error(format!(
                "{} has no change {}\n        \
                 It belongs to the course: git restore brings it back.",
                task.page(),
                number
            ))
        })?;
        let end = rest.find("\n## ").unwrap_or(rest.len());
        let end = rest.find("\n### ").unwrap_or(end).min(end);
        Ok(Self { text: rest[..end].to_owned() })
    }

    /// What stands in its heading.
    pub fn title(&self) -> &str {
        let line = self.text.lines().next().unwrap_or_default();
        // The anchor behind it is for the browser.
        line.split(" {#").next().unwrap_or(line)
    }

    /// The program that is to be mended, if there is one.
    pub fn program(&self) -> Option<&str> {
        let given = self.text.split(FOLD).next()?;
        let (_, rest) = given.split_once("\n```rust\n")?;
        rest.split("```").next()
    }

    /// The solution, without the fences around its code.
    pub fn answer(&self) -> Option<String> {
        let (_, rest) = self.text.split_once(FOLD)?;
        let (_, rest) = rest.split_once("</summary>")?;
        let text = rest.split("</details>").next()?;
        let lines = text.lines().filter(|line| !line.starts_with("```"));
        Some(lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned())
    }
}
