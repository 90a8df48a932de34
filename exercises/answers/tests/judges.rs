//! The reference answers before judges that know nothing of this course: the
//! programs that people use with these protocols.
//!
//! `.ci/run` installs them. By hand:
//! `cargo test -p answers --test judges -- --ignored`.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::Builder;
use std::time::{SystemTime, UNIX_EPOCH};

use assert_cmd::assert::Assert;
use assert_cmd::cargo::cargo_bin;
use harness::{PATIENCE, Server};
use predicates::str::contains;
use tempfile::TempDir;

fn reference(name: &str, args: &[&str]) -> Server {
    Server::start(cargo_bin(format!("right_{name}")), args)
}

/// Runs a judge that ends by itself.
#[track_caller]
fn run(program: &str, args: &[&str]) -> Assert {
    let mut command = assert_cmd::Command::new(program);
    command.env("TZ", "UTC").env("LC_ALL", "C");
    command.args(args).timeout(PATIENCE).assert()
}

#[test]
#[ignore = "needs rdate"]
fn rdate_reads_the_time_of_ex02() {
    let server = reference("ex02", &[]);

    // -p prints the time, and does not set the clock.
    let judged = run("rdate", &["-p", "-o", &server.port(), "127.0.0.1"]);

    let said = judged.success().get_output().stdout.clone();
    let said = String::from_utf8(said).unwrap();
    // Some versions print "rdate: [127.0.0.1]" and a tab before the date.
    let date = said.trim().rsplit('\t').next().unwrap();
    let seconds = Command::new("date").args(["-u", "-d", date, "+%s"]).output();
    let seconds = String::from_utf8(seconds.unwrap().stdout).unwrap();
    let seconds: u64 = seconds.trim().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(seconds) <= 60, "{said} is not now");
}

/// An `nc` in a chat room; dropping it kills it.
struct Chatter {
    nc: Child,
    keyboard: Option<ChildStdin>,
    screen: Receiver<String>,
}

impl Chatter {
    fn enter(server: &Server) -> Self {
        let mut nc = Command::new("nc")
            .args(["-N", "127.0.0.1", &server.port()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keyboard = nc.stdin.take();
        let lines = BufReader::new(nc.stdout.take().unwrap()).lines();
        let (sender, screen) = mpsc::channel();
        let copy = move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        };
        Builder::new().spawn(copy).unwrap();
        Self { nc, keyboard, screen }
    }

    fn types(&mut self, line: &str) {
        let keyboard = self.keyboard.as_mut().unwrap();
        writeln!(keyboard, "{line}").unwrap();
        keyboard.flush().unwrap();
    }

    #[track_caller]
    fn reads(&self, words: &str) -> String {
        loop {
            let line = self.screen.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| format!("no line: {words}"));
            if line.contains(words) {
                assert!(!line.starts_with("no line"), "{line}");
                return line;
            }
        }
    }
}

impl Drop for Chatter {
    fn drop(&mut self) {
        let _ = self.nc.kill();
        let _ = self.nc.wait();
    }
}

#[test]
#[ignore = "needs nc (netcat-openbsd)"]
fn two_people_with_nc_talk_in_ex03() {
    let mut server = reference("ex03", &[]);
    let anna = Chatter::enter(&server);
    server.says("[NEW CONNECTION]");
    let mut ben = Chatter::enter(&server);
    anna.reads("127.0.0.1:");

    ben.types("good evening");

    let line = anna.reads("good evening");
    assert!(line.starts_with("127.0.0.1:"), "{line}");
    // With -N, the end of the input ends the connection's side.
    ben.keyboard = None;
    anna.reads("127.0.0.1:");
}

#[test]
#[ignore = "needs logger (bsdutils)"]
fn logger_delivers_its_messages_to_ex04() {
    let mut server = reference("ex04", &[]);
    let port = server.port();
    let to = ["-T", "--octet-count", "--server", "127.0.0.1", "--port"];
    for message in ["hello w\u{f6}rld", "and once more"] {
        let args = [&to[..], &[&port, "--", message]].concat();

        run("logger", &args).success();

        server.says(message);
    }
}

#[test]
#[ignore = "needs curl"]
fn curl_reads_the_folder_of_ex05() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("poem.txt"), "one\n.two\n").unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fs::write(folder.path().join("all.bin"), &bytes).unwrap();
    let dir = folder.path().to_str().unwrap();
    let server = reference("ex05", &["--dir", dir]);
    let curl = |path: &str| {
        let url = format!("gopher://127.0.0.1:{}{path}", server.port());
        let limit = PATIENCE.as_secs().to_string();
        run("curl", &["-sS", "--max-time", &limit, &url]).success()
    };

    let menu = format!("0poem.txt\t/poem.txt\t127.0.0.1\t{}", server.port());
    curl("/").stdout(contains(menu));
    // curl shows what came: the type is its own business.
    curl("/0/poem.txt").stdout("one\r\n..two\r\n.\r\n");
    curl("/9/all.bin").stdout(bytes);
}
