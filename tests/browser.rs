//! Every page of the book opens in a browser, as wide as a desktop and as a
//! phone, in each theme and printed: pictures are drawn, code fits on the page
//! and has its words beside it, what is folded opens, text has enough
//! contrast, links lead somewhere, and the console is quiet.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::Builder;

use assert_cmd::Command as Bounded;
use harness::PATIENCE;

/// The page that looks at all the others.
const CHECK: &str = include_str!("browser/check.html");

/// How many seconds of the pages' own time the browser runs, in milliseconds.
const PAGES_TIME: &str = "--virtual-time-budget=120000";

/// mdBook's own: for what is not found, and for browsers without scripts.
const NO_PAGES: [&str; 2] = ["404.html", "toc.html"];

/// The book as mdBook makes it, and what it said meanwhile.
fn build(folder: &Path) -> String {
    let mut mdbook = Bounded::new("mdbook");
    mdbook.args(["build", "book", "--dest-dir"]).arg(folder);
    mdbook.current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = mdbook.timeout(4 * PATIENCE).assert().success();
    String::from_utf8_lossy(&built.get_output().stderr).into_owned()
}

/// The names of the pages in a folder.
fn pages(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.rsplit('.').next() == Some("html"))
        .filter(|name| !NO_PAGES.contains(&&**name))
        .collect();
    names.sort();
    names
}

/// Serves a folder as a Web site, until the test ends.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer_all = move || {
        for connection in listener.incoming().flatten() {
            let folder = folder.clone();
            let _ = Builder::new().spawn(move || answer(&folder, connection));
        }
    };
    Builder::new().spawn(answer_all).unwrap();
    format!("http://{address}")
}

/// Answers one request as HTTP/1.0 does, RFC 1945.
fn answer(folder: &Path, mut connection: TcpStream) {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(&connection).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    // The browser's other words do not matter, but they have to be read.
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let name = path.trim_start_matches('/');
    let (state, body) = if name == "check.html" {
        ("200 OK", check_page(folder).into_bytes())
    } else {
        match fs::read(folder.join(name)) {
            Ok(body) => ("200 OK", body),
            // Every browser asks for it, and nobody needs it.
            Err(_) if name == "favicon.ico" => ("200 OK", Vec::new()),
            Err(_) => ("404 Not Found", Vec::new()),
        }
    };
    let kind = kind(name);
    let head = format!("HTTP/1.0 {state}\r\nContent-Type: {kind}\r\n\r\n");
    let _ = connection.write_all(&[head.as_bytes(), &body].concat());
}

fn check_page(folder: &Path) -> String {
    let names: Vec<_> =
        pages(folder).iter().map(|name| format!("\"{name}\"")).collect();
    CHECK.replace("/* PAGES */", &names.join(", "))
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Chromium, under one of its names.
fn browser_program() -> &'static str {
    let names = ["chromium", "google-chrome"];
    let there =
        |name: &&str| Command::new(name).arg("--version").output().is_ok();
    names.into_iter().find(there).unwrap()
}

/// What the browser shows of a page, and what stands in its console.
fn browse(url: &str) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Bounded::from_std(Command::new(browser_program()));
    browser
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--enable-logging=stderr", PAGES_TIME])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url);
    let ended = browser.timeout(16 * PATIENCE).assert().success();
    let output = ended.get_output();
    let console = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| line.contains(":CONSOLE"))
        .map(ToOwned::to_owned)
        .collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), console)
}

#[test]
#[ignore = "needs mdbook and chromium"]
fn every_page_opens_in_a_browser_without_a_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let log = build(folder.path());
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    let count = pages(folder.path()).len();
    assert!(count > 10, "only {count} pages");

    let site = serve(folder.path().to_owned());
    let (shown, console) = browse(&format!("{site}/check.html"));

    let report = shown.split_once("<pre id=\"report\">").unwrap().1;
    let report = report.split_once("</pre>").unwrap().0;
    assert_eq!(report, format!("{count} pages were looked at"));
    assert!(console.is_empty(), "{console:#?}");
}
