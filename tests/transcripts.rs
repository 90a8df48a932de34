//! The transcripts of the book happened: each is played against the real
//! programs, with all its terminals, and compared line by line.
//!
//! `UPDATE=1 cargo test --test transcripts` writes down what came instead.
//! Look at the difference before you commit it: what two terminals show at the
//! same time may be told in an order that is hard to follow.
//!
//! A transcript is a file in `book/src/transcripts`:
//!
//! - `# terminal 2` says where the next lines stand;
//! - `$ cargo run -q --bin 02_client` starts a program there;
//! - `> text` is typed into it, `^D` ends its input, `^C` stops it;
//! - all other lines are what the terminal shows.
//!
//! Servers really run on a free port. In the transcript it is 8080, and the
//! clients' ports are 50312, 50314, … as they appear. A port that is typed
//! (`--port 12000`) stands for one at which nobody listens. Advice that is too
//! long for a page is folded.

// Ctrl-C cannot be sent to a single program on Windows.
#![cfg(unix)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::Write;
use std::mem;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::Builder;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use harness::{Child, Deadline, NoLine, PATIENCE, Signal};
use socket2::Socket;

/// How a command of a transcript begins that starts a program of ours.
const RUN: &str = "cargo run -q --bin ";

/// When a transcript is written anew: after this silence, no more will come.
const SILENCE: Duration = Duration::from_millis(700);

/// The server's port as it is shown, and the first client's.
const SERVER_PORT: u16 = 8080;
const CLIENT_PORT: u16 = 50312;

/// What the line behind an error begins with, and how wide it may be.
const INDENT: &str = "        ";
const WIDTH: usize = 90;

/// How many bytes of lines of a program wait until they are looked at.
const ROOM: usize = 1024 * 1024;

/// A program in a terminal.
struct Program {
    child: Child,
    /// What has come and was not looked at: of stdout, and of stderr.
    heard: [VecDeque<String>; 2],
    /// What came before the end of the silence, in order.
    all: VecDeque<String>,
}

/// All terminals of one transcript.
struct Stage {
    folder: tempfile::TempDir,
    terminals: BTreeMap<u32, Program>,
    ports: Ports,
    /// A port at which nobody listens, and the socket that keeps it so.
    nobody: (Socket, u16),
}

/// The real ports, and what stands for them.
#[derive(Clone, Default)]
struct Ports {
    server: Option<String>,
    clients: Vec<String>,
    /// The real one, and as it was typed.
    typed: Option<(String, String)>,
}

impl Ports {
    /// The line as a transcript shows it.
    fn mask(&mut self, line: &str) -> String {
        if line.starts_with("[HOST] ") {
            return "[HOST] laptop: 192.0.2.7".to_owned();
        }
        if line.starts_with("[BOUND] ") || line.starts_with("[LISTENING] ") {
            // `127.0.0.1:35649`, or `[::1]:35649`, is the second word.
            let address = line.split(' ').nth(1).unwrap_or_default();
            let port = address.rsplit(':').next().unwrap_or_default();
            self.server = Some(port.to_owned());
        }
        let mut masked = String::new();
        let mut rest = line;
        while let Some((before, after)) = split_at_port(rest) {
            let end = after.find(|c: char| !c.is_ascii_digit());
            let (port, after) = after.split_at(end.unwrap_or(after.len()));
            masked.push_str(before);
            masked.push_str(&self.shown(port));
            rest = after;
        }
        masked.push_str(rest);
        masked
    }

    fn shown(&mut self, port: &str) -> String {
        // A server that cannot listen has asked for port 0.
        if port == "0" || self.server.as_deref() == Some(port) {
            return SERVER_PORT.to_string();
        }
        if let Some((real, typed)) = &self.typed
            && real == port
        {
            return typed.clone();
        }
        let known = self.clients.iter().position(|other| other == port);
        let nth = known.unwrap_or_else(|| {
            self.clients.push(port.to_owned());
            self.clients.len() - 1
        });
        (usize::from(CLIENT_PORT) + 2 * nth).to_string()
    }
}

/// Splits a line behind the first address, before its port.
fn split_at_port(line: &str) -> Option<(&str, &str)> {
    let ends = ["127.0.0.1:", "[::1]:", "203.0.113.9:"]
        .into_iter()
        .filter_map(|address| Some(line.find(address)? + address.len()));
    ends.min().map(|end| line.split_at(end))
}

impl Program {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        let child = Child::start(command, ROOM).unwrap();
        let heard = [VecDeque::new(), VecDeque::new()];
        Self { child, heard, all: VecDeque::new() }
    }

    /// Takes the next line.
    fn hear(&mut self, until: Deadline) -> Result<(), NoLine> {
        let (stream, line) = self.child.next_of_either(until)?;
        for line in folded(&line) {
            self.heard[stream as usize].push_back(line.clone());
            self.all.push_back(line);
        }
        Ok(())
    }

    /// Waits for a line, on whichever of the two outputs it comes next.
    fn expect(&mut self, line: &str, ports: &mut Ports) {
        let until = Deadline::after(PATIENCE);
        loop {
            for heard in &mut self.heard {
                let mut with_it = ports.clone();
                let next = heard.front().map(|next| with_it.mask(next));
                if next.is_some_and(|next| next == line) {
                    heard.pop_front();
                    *ports = with_it;
                    return;
                }
            }
            let more = self.hear(until);
            assert!(more.is_ok(), "expected {line:?}, came {:?}", self.heard);
        }
    }

    /// Waits for the program's end; nothing more may come.
    fn end(&mut self) {
        drop(self.child.stdin.take());
        let until = Deadline::after(PATIENCE);
        while self.hear(until).is_ok() {}
        let ended = self.child.wait(until).is_some();
        assert!(ended, "it still runs: {:?}", self.heard);
        assert!(self.heard.iter().all(VecDeque::is_empty), "{:?}", self.heard);
    }
}

/// Advice in lines that a page has room for. Other lines are shorter, and
/// hold ports, whose real numbers may be longer than those that are shown.
fn folded(line: &str) -> Vec<String> {
    let Some(advice) = line.strip_prefix(INDENT) else {
        return vec![line.to_owned()];
    };
    let mut lines = Vec::<String>::new();
    for word in advice.split(' ') {
        match lines.last_mut() {
            Some(last) if last.len() + word.len() < WIDTH => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(format!("{INDENT}{word}")),
        }
    }
    lines
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (terminals, ports) = (BTreeMap::new(), Ports::default());
        let nobody = harness::port_of_nobody();
        Self { folder, terminals, ports, nobody }
    }

    /// Does what a line says, if it says something to do.
    fn act(&mut self, terminal: u32, line: &str) -> bool {
        if let Some(command) = line.strip_prefix("$ ") {
            if let Some(mut last) = self.terminals.remove(&terminal) {
                last.end();
            }
            self.start(terminal, command);
            return true;
        }
        let typed = line.strip_prefix("> ");
        if typed.is_none() && !["^C", "^D"].contains(&line) {
            return false;
        }
        let program = self.terminals.get_mut(&terminal).unwrap();
        match (line, typed) {
            (_, Some(text)) => {
                let stdin = program.child.stdin.as_mut().unwrap();
                writeln!(stdin, "{text}").unwrap();
            }
            ("^D", _) => drop(program.child.stdin.take()),
            _ => program.child.signal(Signal::SIGINT).unwrap(),
        }
        true
    }

    fn start(&mut self, terminal: u32, command: &str) {
        let mut started = match command.strip_prefix(RUN) {
            Some(words) => self.program(words),
            None => self.small_command(command),
        };
        started.current_dir(self.folder.path());
        started.env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
        self.terminals.insert(terminal, Program::start(started));
    }

    /// A program of ours, on the port of this transcript.
    fn program(&mut self, words: &str) -> Command {
        let (name, args) = words.split_once(" -- ").unwrap_or((words, ""));
        let (name, more) = name.split_once(' ').unwrap_or((name, ""));
        let (more, mut args) = (words_of(more), words_of(args));
        let is_flag = |word: &String| word.starts_with('-');
        assert!(!more.iter().any(is_flag), "cargo takes the flag: {words}");
        let mut command = Command::new(cargo_bin(name));
        if let Some(at) = args.iter().position(|word| word == "--port") {
            let real = self.nobody.1.to_string();
            let typed = mem::replace(&mut args[at + 1], real.clone());
            self.ports.typed = Some((real, typed));
        } else {
            let port = self.ports.server.as_deref().unwrap_or("0");
            command.args(["--port", port]);
        }
        command.args(more).args(args);
        command
    }

    /// `echo WORDS > FILE`, `cat FILE` and `ls FOLDER`.
    fn small_command(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        let name = command.split(' ').next().unwrap_or_default();
        assert!(["echo", "cat", "ls"].contains(&name), "{command}");
        shell.arg("-c").arg(command).current_dir(self.folder.path());
        shell
    }

    /// What comes until all terminals are silent, as lines of a transcript.
    fn watch(&mut self, current: &mut u32) -> Vec<String> {
        let mut lines = Vec::new();
        let mut last = Instant::now();
        while last.elapsed() < SILENCE {
            for (terminal, program) in &mut self.terminals {
                let _ = program.hear(Deadline::after(SILENCE / 20));
                while let Some(line) = program.all.pop_front() {
                    last = Instant::now();
                    if current != terminal {
                        *current = *terminal;
                        lines.push(format!("# terminal {terminal}"));
                    }
                    lines.push(self.ports.mask(&line));
                }
            }
        }
        lines
    }
}

/// The words of a command line; quotes keep several together.
fn words_of(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn terminal_of(line: &str) -> Option<u32> {
    line.strip_prefix("# terminal ")?.trim().parse().ok()
}

/// Plays a transcript, and fails where something else comes.
fn play(text: &str) {
    let (mut stage, mut terminal) = (Stage::new(), 1);
    for line in text.lines() {
        if let Some(next) = terminal_of(line) {
            terminal = next;
        } else if !stage.act(terminal, line) {
            let Stage { terminals, ports, .. } = &mut stage;
            terminals.get_mut(&terminal).unwrap().expect(line, ports);
        }
    }
    for program in stage.terminals.values_mut() {
        program.end();
    }
}

/// Plays the commands of a transcript, and writes down what comes.
fn write_anew(text: &str) -> String {
    let (mut stage, mut lines) = (Stage::new(), Vec::new());
    let (mut terminal, mut current) = (1, 0);
    for line in text.lines() {
        if let Some(next) = terminal_of(line) {
            terminal = next;
            continue;
        }
        let is_action = line.starts_with("$ ")
            || line.starts_with("> ")
            || ["^C", "^D"].contains(&line);
        if !is_action {
            continue;
        }
        if current != terminal {
            current = terminal;
            lines.push(format!("# terminal {terminal}"));
        }
        lines.push(line.to_owned());
        stage.act(terminal, line);
        lines.extend(stage.watch(&mut current));
    }
    lines.join("\n") + "\n"
}

fn folder() -> PathBuf {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    Path::new(&root).join("book/src/transcripts")
}

/// The transcripts: their paths, and what they say.
fn transcripts() -> Vec<(PathBuf, String)> {
    let mut all: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn every_transcript_happened() {
    let all = transcripts();
    let update = std::env::var_os("UPDATE").is_some();
    let played: Vec<_> = all
        .into_iter()
        .map(|(path, text)| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let play = move || {
                // What still holds keeps the order in which it is told.
                if !update {
                    play(&text);
                } else if catch_unwind(|| play(&text)).is_err() {
                    fs::write(&path, write_anew(&text)).unwrap();
                }
            };
            (name, Builder::new().spawn(play).unwrap())
        })
        .collect();
    let failed: Vec<_> = played
        .into_iter()
        .filter_map(|(name, thread)| {
            let why = thread.join().err()?;
            let text = why.downcast_ref::<String>().cloned();
            Some(format!("{name}: {}", text.unwrap_or_default()))
        })
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn a_flag_that_cargo_would_take_is_refused() {
    let text = "$ cargo run -q --bin 03_threads --max-clients 1\n";

    let played = catch_unwind(|| play(text));

    let why = played.unwrap_err();
    let why = why.downcast_ref::<String>().unwrap();
    assert!(why.contains("cargo takes the flag"), "{why}");
}

#[test]
fn a_transcript_that_did_not_happen_is_named() {
    let text = "# terminal 1\n\
                $ cargo run -q --bin 02_accept_send_close\n\
                [LISTENING] 127.0.0.1:8080 (Ctrl-C stops the server)\n\
                # terminal 2\n\
                $ cargo run -q --bin 02_client\n\
                Connection Refused\n";

    let played = catch_unwind(|| play(text));

    let why = played.unwrap_err();
    let why = why.downcast_ref::<String>().unwrap();
    assert!(why.contains("expected \"Connection Refused\""), "{why}");
}

#[test]
fn a_line_that_a_transcript_leaves_out_is_named() {
    let text = "# terminal 1\n\
                $ cargo run -q --bin 02_accept_send_close\n\
                [LISTENING] 127.0.0.1:8080 (Ctrl-C stops the server)\n\
                ^C\n";

    let played = catch_unwind(|| play(text));

    let why = played.unwrap_err();
    let why = why.downcast_ref::<String>().unwrap();
    assert!(why.contains("[STOPPED]"), "{why}");
}
