//! 05: take a name, make the file, copy.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use harness::contract::run;
use harness::peer::{end, header, hear_all, hear_message, message, send};
use harness::{PATIENCE, Server};
use tempfile::TempDir;

use crate::copy::first;

/// A server in a folder of its own; files come to `work/received` there.
struct Store {
    server: Server,
    folder: TempDir,
}

impl Store {
    fn first() -> Self {
        Self::start(Command::new(first("05_first")))
    }

    fn lesson(args: &[&str]) -> Self {
        let mut command = Command::new(cargo_bin!("05_file_transfer"));
        command.args(["--port", "0"]).args(args);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let folder = TempDir::new().unwrap();
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        command.current_dir(&work);
        let server = Server::spawn(command);
        Self { server, folder }
    }

    /// What stands at a path of the folder `received`.
    fn read(&self, path: &str) -> Option<String> {
        let received = self.folder.path().join("work/received");
        fs::read_to_string(received.join(path)).ok()
    }

    /// All that stands in the folder `received`.
    fn names(&self) -> Vec<String> {
        let received = self.folder.path().join("work/received");
        let entries = fs::read_dir(received).unwrap();
        let name = |it: fs::DirEntry| it.file_name().into_string().unwrap();
        entries.map(|it| name(it.unwrap())).collect()
    }
}

/// Offers a file; returns the answer.
#[track_caller]
fn offer(client: &TcpStream, name: &str, size: u64) -> String {
    send(client, [message(name), header(size)].concat());
    hear_message(client)
}

/// Offers a file and sends it; returns the last answer.
#[track_caller]
fn upload(store: &Store, name: &str, content: &str) -> String {
    let client = store.server.connect();
    let answer = offer(&client, name, content.len() as u64);
    if answer != "READY" {
        return answer;
    }
    send(&client, content);
    hear_message(&client)
}

/// A folder that holds only this file.
fn file_of(content: &str) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("my holiday.txt");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn a_friendly_clients_file_arrives() {
    let store = Store::first();
    let content = "x".repeat(1_000_003);
    let (_folder, path) = file_of(&content);

    let args = ["--port", &store.server.port(), &path];
    let ended = run(cargo_bin!("05_client"), &args);

    ended.success().stdout("READY\nSAVED 1000003 my holiday.txt\n");
    assert!(store.read("my holiday.txt") == Some(content));
}

#[test]
fn a_name_leads_out_of_the_folder() {
    let (first, lesson) = (Store::first(), Store::lesson(&[]));

    let of_first = upload(&first, "../escaped.txt", "boo");
    let of_lesson = upload(&lesson, "../escaped.txt", "boo");

    assert_eq!(of_first, "SAVED 3 ../escaped.txt");
    assert_eq!(first.read("../escaped.txt").as_deref(), Some("boo"));
    assert!(of_lesson.starts_with("ERROR "), "{of_lesson}");
    assert_eq!(lesson.read("../escaped.txt"), None);
}

#[test]
fn the_second_file_of_a_name_overwrites_the_first() {
    let (first, lesson) = (Store::first(), Store::lesson(&[]));

    for store in [&first, &lesson] {
        assert_eq!(upload(store, "essay.txt", "mine"), "SAVED 4 essay.txt");
    }
    let of_first = upload(&first, "essay.txt", "yours");
    let of_lesson = upload(&lesson, "essay.txt", "yours");

    assert_eq!(of_first, "SAVED 5 essay.txt");
    assert_eq!(first.read("essay.txt").as_deref(), Some("yours"));
    assert_eq!(of_lesson, "ERROR the name is taken");
    assert_eq!(lesson.read("essay.txt").as_deref(), Some("mine"));
}

/// Even the receipt is wrong: it repeats what was promised.
#[test]
fn half_a_file_stands_under_its_final_name() {
    let (first, mut lesson) = (Store::first(), Store::lesson(&[]));
    let cut = |store: &Store| {
        let client = store.server.connect();
        assert_eq!(offer(&client, "thesis.txt", 100_000), "READY");
        send(&client, "x".repeat(1000));
        end(&client);
        hear_all(&client)
    };

    let of_first = cut(&first);
    let of_lesson = cut(&lesson);

    assert_eq!(of_first, message("SAVED 100000 thesis.txt"));
    assert_eq!(first.read("thesis.txt").map(|it| it.len()), Some(1000));
    assert_eq!(of_lesson, b"");
    lesson.server.complains(": 1000 of 100000 bytes of the content had come");
    lesson.server.says("[CLOSED]");
    assert!(lesson.names().is_empty());
}

/// A terabyte is announced, and ten million bytes of it come.
#[test]
fn a_file_without_an_end_fills_the_disk() {
    const TERABYTE: u64 = 1_000_000_000_000;
    let first = Store::first();
    let lesson = Store::lesson(&["--max-size", "1000000"]);
    let (of_first, of_lesson) =
        (first.server.connect(), lesson.server.connect());

    assert_eq!(offer(&of_first, "endless", TERABYTE), "READY");
    let refusal = offer(&of_lesson, "endless", TERABYTE);

    send(&of_first, "x".repeat(10_000_000));
    let until = Instant::now() + PATIENCE;
    let all = |text: String| text.len() == 10_000_000;
    while !first.read("endless").is_some_and(all) {
        assert!(Instant::now() < until, "it takes no more");
        thread::sleep(Duration::from_millis(10));
    }
    let why = "1000000000000 bytes are over the limit of 1000000";
    assert_eq!(refusal, format!("ERROR {why}"));
    assert!(lesson.names().is_empty());
}

/// Whoever cannot have the name is not even told.
#[test]
fn an_impossible_name_gets_no_answer() {
    let (first, lesson) = (Store::first(), Store::lesson(&[]));
    let ask = |store: &Store| {
        let client = store.server.connect();
        send(&client, [message("no/such/folder"), header(1)].concat());
        end(&client);
        hear_all(&client)
    };

    let of_first = ask(&first);
    let of_lesson = ask(&lesson);

    assert_eq!(of_first, b"");
    let why = "ERROR the name holds a character that is not allowed";
    assert_eq!(of_lesson, message(why));
}
