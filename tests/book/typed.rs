//! Programs that a reader types, and that stand nowhere but on a page.

use std::time::Duration;

use assert_cmd::Command;

use crate::assert_none;
use crate::course::Course;
use crate::includes::includes;
use crate::page::Piece;

/// How long a compiler may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The blocks of a page that are in a language, and no include. What is not
/// a whole program says so: `rust,ignore`.
fn blocks(course: &Course, page: &str, language: &str) -> Vec<String> {
    let pieces = course.written(page).into_iter();
    let blocks = pieces.filter_map(|piece| match piece {
        Piece::Block { language: it, code } if it == language => Some(code),
        _ => None,
    });
    blocks.filter(|code| includes(code).is_empty()).collect()
}

/// The Rust programs of a page. A block without a `main` belongs in front of
/// those behind it.
fn rust(course: &Course, page: &str) -> Vec<String> {
    let (mut programs, mut header) = (Vec::new(), String::new());
    for code in blocks(course, page, "rust") {
        if code.contains("fn main(") {
            programs.push(format!("{header}{code}"));
        } else {
            header = code;
        }
    }
    programs
}

/// What a compiler says of the programs that it does not take.
fn refused(
    programs: impl Iterator<Item = String>,
    compiler: fn() -> Command,
) -> Vec<String> {
    let complaints = programs.filter_map(|program| {
        let mut compiler = compiler();
        let compiler = compiler.write_stdin(program).timeout(PATIENCE);
        let error = compiler.ok().err()?;
        Some(error.to_string())
    });
    complaints.collect()
}

/// Reads a program on stdin, and writes no file.
fn rustc() -> Command {
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "--emit=metadata=-", "-"]);
    // A warning would puzzle whoever has typed it all.
    rustc.args(["-D", "warnings"]);
    rustc
}

fn python() -> Command {
    let mut python = Command::new("python3");
    python.args(["-c", "import ast, sys; ast.parse(sys.stdin.read())"]);
    python
}

fn refused_rust(course: &Course) -> Vec<String> {
    let pages = course.pages().into_iter();
    refused(pages.flat_map(|page| rust(course, &page)), rustc)
}

fn refused_python(course: &Course) -> Vec<String> {
    let pages = course.pages().into_iter();
    refused(pages.flat_map(|page| blocks(course, &page, "python")), python)
}

#[test]
fn the_rust_programs_of_the_pages_compile() {
    assert_none(&refused_rust(&Course::ours()));
}

#[test]
fn a_rust_program_that_does_not_compile_is_named() {
    let course = Course::copy();
    course.change("book/src/04_length_prefix.md", "u32::MAX", "u32::MOST");

    let complaints = refused_rust(&course);

    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("MOST"), "{complaints:?}");
}

#[test]
#[ignore = "needs python3"]
fn the_python_programs_of_the_pages_compile() {
    assert_none(&refused_python(&Course::ours()));
}

#[test]
#[ignore = "needs python3"]
fn a_python_program_that_does_not_compile_is_named() {
    let course = Course::copy();
    course.change("book/src/03_threads.md", "def serve():", "def serve()");

    let complaints = refused_python(&course);

    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("SyntaxError"), "{complaints:?}");
}
