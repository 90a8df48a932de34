//! Lesson 05: files, whole or not at all, whatever the sender does.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;
use harness::contract::{self, run};
use harness::peer::{
    self, connect, end, header, hear_all, hear_message, message, send,
    send_byte_by_byte,
};
use harness::{Server, port_of_nobody};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

fn program() -> &'static Path {
    cargo_bin!("05_file_transfer")
}

fn client() -> &'static Path {
    cargo_bin!("05_client")
}

/// A server with a folder of its own.
struct Store {
    server: Server,
    dir: TempDir,
}

impl Store {
    #[track_caller]
    fn start(args: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().to_str().unwrap();
        let server =
            Server::start(program(), &[&["--dir", path], args].concat());
        Self { server, dir }
    }

    fn connect(&self) -> TcpStream {
        self.server.connect()
    }

    /// What stands in the folder, temporary files too, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let name = |e: fs::DirEntry| e.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(|e| name(e.unwrap())).collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(name)).unwrap()
    }

    /// Waits until the client's thread has ended.
    #[track_caller]
    fn wait_until_closed(&mut self, peer: SocketAddr) {
        self.server.says(&format!("[CLOSED] {peer}"));
    }
}

/// An offer: the name as a message, then the size as a header alone.
fn offer(name: impl AsRef<[u8]>, size: impl std::fmt::Display) -> Vec<u8> {
    [message(name), header(size)].concat()
}

/// Offers a file and sends it; returns the last answer.
#[track_caller]
fn upload(client: &TcpStream, name: &str, content: &[u8]) -> String {
    send(client, offer(name, content.len()));
    let answer = hear_message(client);
    if answer != "READY" {
        return answer;
    }
    send(client, content);
    hear_message(client)
}

/// A client who does as one should, each time with another name.
fn good_visit(address: SocketAddr) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("good-{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let client = connect(address);
    let receipt = format!("SAVED 5 {name}");
    assert_eq!(upload(&client, &name, b"hello"), receipt);
    end(&client);
    assert_eq!(hear_all(&client), b"");
}

/// Arguments for the promises of every server: a folder of its own.
fn args(dir: &TempDir) -> [&str; 2] {
    ["--dir", dir.path().to_str().unwrap()]
}

#[test]
fn a_file_arrives_byte_for_byte() {
    let mut store = Store::start(&[]);
    let every_byte: Vec<u8> = (0..=255).cycle().take(1_000_003).collect();
    let client = store.connect();

    let receipt = upload(&client, "every byte.bin", &every_byte);

    assert_eq!(receipt, "SAVED 1000003 every byte.bin");
    assert!(store.read("every byte.bin") == every_byte);
    assert_eq!(store.names(), ["every byte.bin"]);
    let peer = client.local_addr().unwrap();
    let line = store.server.says("[SAVED]");
    assert_eq!(line, format!("[SAVED] {peer} 1000003 every byte.bin"));
}

#[test]
fn any_number_of_files_come_on_one_connection() {
    let store = Store::start(&[]);
    let client = store.connect();

    assert_eq!(upload(&client, "one", b""), "SAVED 0 one");
    assert_eq!(upload(&client, "two", b"2"), "SAVED 1 two");
    assert_eq!(upload(&client, "three", b"33"), "SAVED 2 three");

    end(&client);
    assert_eq!(hear_all(&client), b"");
    assert_eq!(store.names(), ["one", "three", "two"]);
    assert_eq!(store.read("one"), b"");
    assert_eq!(store.read("three"), b"33");
}

#[test]
fn an_offer_and_its_content_may_come_byte_by_byte() {
    let store = Store::start(&[]);
    let client = store.connect();

    send_byte_by_byte(&client, &offer("slow", 5));
    assert_eq!(hear_message(&client), "READY");
    send_byte_by_byte(&client, b"bytes");

    assert_eq!(hear_message(&client), "SAVED 5 slow");
    assert_eq!(store.read("slow"), b"bytes");
}

/// Whoever does not wait for READY is understood if the offer is good.
#[test]
fn content_may_be_glued_to_its_offer_and_to_the_next_one() {
    let store = Store::start(&[]);
    let client = store.connect();

    let all = [&offer("a", 3)[..], b"aaa", &offer("b", 2), b"bb"].concat();
    send(&client, all);

    for answer in ["READY", "SAVED 3 a", "READY", "SAVED 2 b"] {
        assert_eq!(hear_message(&client), answer);
    }
    assert_eq!(store.read("a"), b"aaa");
    assert_eq!(store.read("b"), b"bb");
}

#[test]
fn a_missing_folder_is_made() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("a/b");

    let server = Server::start(program(), &["--dir", inner.to_str().unwrap()]);
    good_visit(server.address());

    assert_eq!(fs::read_dir(inner).unwrap().count(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_explained() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();

    let ended = run(program(), &["--dir", file.to_str().unwrap()]);

    ended
        .code(1)
        .stderr(contains("cannot make the folder"))
        .stderr(contains("--dir"));
}

/// Separators, the folder itself, its parent, control characters, Windows'
/// devices and forbidden characters, dots and spaces at the end, no name, a
/// name that is too long, and bytes that are not UTF-8.
#[test]
fn unsafe_names_are_refused_and_the_visit_goes_on() {
    let store = Store::start(&[]);
    let client = store.connect();
    let too_long = "x".repeat(256);
    let not_utf8 = b"\xff\xfe.txt";
    let unsafe_names: Vec<&[u8]> = [
        "",
        ".",
        "..",
        "...",
        "/",
        "\\",
        "/etc/passwd",
        "../escaped",
        "a/b",
        "a\\b",
        "..\\escaped",
        "C:\\autoexec.bat",
        "C:file",
        "c:",
        "file:stream",
        "a*b",
        "a?b",
        "a\"b",
        "a<b",
        "a>b",
        "a|b",
        "a\0b",
        "a\nb",
        "a\rb",
        "a\tb",
        "\x1b[2J",
        "a\u{7f}",
        "a\u{85}b",
        "dot.",
        "space ",
        " ",
        "CON",
        "con",
        "Nul.txt",
        "NUL .tar.gz",
        "aux.h",
        "PRN",
        "COM1",
        "com9.log",
        "LPT1.txt",
        "COM¹",
        "lpt³.x",
        "CONIN$",
        "conout$",
        &too_long,
    ]
    .iter()
    .map(|name| name.as_bytes())
    .chain([&not_utf8[..]])
    .collect();

    for name in &unsafe_names {
        send(&client, offer(name, 5));

        let answer = hear_message(&client);
        let text = String::from_utf8_lossy(name);
        assert!(answer.starts_with("ERROR "), "{text:?}: {answer}");
    }

    assert!(unsafe_names.len() >= 40);
    assert_eq!(upload(&client, "safe", b"x"), "SAVED 1 safe");
    assert_eq!(store.names(), ["safe"]);
}

#[test]
fn odd_but_safe_names_are_taken() {
    let store = Store::start(&[]);
    let client = store.connect();
    let longest = "ö".repeat(127) + "x";
    let odd_names = [
        "my holiday.txt",
        " leading",
        ".hidden",
        "..a",
        "a..b",
        "-rf",
        "~",
        "COM10",
        "COM",
        "console",
        "nul_",
        "wörld 😀",
        "%2e%2e",
        "a;b & c",
        "$HOME",
        "it's",
        &longest,
    ];

    for name in odd_names {
        let receipt = upload(&client, name, name.as_bytes());

        assert_eq!(receipt, format!("SAVED {} {name}", name.len()));
        assert_eq!(store.read(name), name.as_bytes());
    }
    assert_eq!(longest.len(), 255);
}

/// Longer than any name can be, so long that it is not even read.
#[test]
fn an_absurdly_long_name_is_answered_and_ends_the_visit() {
    let store = Store::start(&[]);
    let client = store.connect();

    send(&client, header(1_000_000_000));

    assert!(hear_message(&client).starts_with("ERROR "));
    assert_eq!(hear_all(&client), b"");
}

#[test]
fn a_header_that_is_no_length_is_answered_and_ends_the_visit() {
    let store = Store::start(&[]);
    for bytes in [header("five"), [message("name"), header("-1")].concat()] {
        let client = store.connect();

        send(&client, bytes);
        send(&client, "and more");

        let answer = hear_message(&client);
        assert!(answer.starts_with("ERROR not a length: "), "{answer}");
        assert_eq!(hear_all(&client), b"");
    }
    assert!(store.names().is_empty());
}

#[test]
fn nothing_is_overwritten() {
    let store = Store::start(&[]);
    fs::write(store.dir.path().join("taken"), "mine").unwrap();
    fs::create_dir(store.dir.path().join("folder")).unwrap();
    let client = store.connect();

    for name in ["taken", "folder"] {
        let answer = upload(&client, name, b"yours");
        assert_eq!(answer, "ERROR the name is taken");
    }

    assert_eq!(store.read("taken"), b"mine");
    assert_eq!(upload(&client, "free", b"yours"), "SAVED 5 free");
}

/// The sender is spared the way.
#[test]
fn a_taken_name_is_refused_before_the_content() {
    let store = Store::start(&[]);
    fs::write(store.dir.path().join("taken"), "mine").unwrap();
    let client = store.connect();

    send(&client, offer("taken", 1_000_000));

    assert_eq!(hear_message(&client), "ERROR the name is taken");
}

/// A link in the folder could lead out of it.
#[cfg(unix)]
#[test]
fn a_link_is_neither_followed_nor_replaced() {
    let store = Store::start(&[]);
    let outside = TempDir::new().unwrap();
    let target = outside.path().join("target");
    let link = store.dir.path().join("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();

    let client = store.connect();
    send(&client, offer("link", 1_000_000));

    assert_eq!(hear_message(&client), "ERROR the name is taken");
    assert!(!target.exists());
    assert!(link.is_symlink());
}

/// While an upload goes on, its bytes stand in the folder, where they will
/// only need a name; and they do not have it yet.
#[test]
fn an_upload_has_no_name_before_it_is_complete() {
    let store = Store::start(&[]);
    let client = store.connect();
    send(&client, offer("file", 10));
    assert_eq!(hear_message(&client), "READY");
    send(&client, "12345");

    let names = store.names();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].starts_with(".first-socket-"), "{names:?}");

    send(&client, "67890");
    assert_eq!(hear_message(&client), "SAVED 10 file");
    assert_eq!(store.names(), ["file"]);
}

/// Nobody can tidy up after that; but no file looks finished.
#[test]
fn a_killed_server_leaves_no_partial_file_under_a_name() {
    let Store { server, dir } = Store::start(&[]);
    let client = server.connect();
    send(&client, offer("file", 10));
    assert_eq!(hear_message(&client), "READY");
    send(&client, "12345");

    drop(server);

    assert!(!dir.path().join("file").exists());
}

#[test]
fn what_it_prints_of_a_name_is_escaped() {
    let mut store = Store::start(&[]);
    let client = store.connect();
    let peer = client.local_addr().unwrap();

    send(&client, offer("a\x1b[2J\n", 1));
    assert!(hear_message(&client).starts_with("ERROR "));
    let line = store.server.says("[RECEIVED]");
    assert_eq!(line, format!(r"[RECEIVED] {peer} offer: 1 a\u{{1b}}[2J\n"));

    assert_eq!(upload(&client, "a\u{202e}b", b"x"), "SAVED 1 a\u{202e}b");
    let line = store.server.says("[SAVED]");
    assert_eq!(line, format!(r"[SAVED] {peer} 1 a\u{{202e}}b"));
}

/// Both are told READY; the first to be complete gets the name.
#[test]
fn of_two_senders_with_one_name_one_wins() {
    let store = Store::start(&[]);
    let (one, two) = (store.connect(), store.connect());
    send(&one, offer("name", 3));
    send(&two, offer("name", 3));
    assert_eq!(hear_message(&one), "READY");
    assert_eq!(hear_message(&two), "READY");

    send(&two, "two");
    assert_eq!(hear_message(&two), "SAVED 3 name");
    send(&one, "one");
    assert_eq!(hear_message(&one), "ERROR the name is taken");

    assert_eq!(store.read("name"), b"two");
    assert_eq!(store.names(), ["name"]);
    assert_eq!(upload(&one, "other", b"one"), "SAVED 3 other");
}

#[test]
fn many_senders_with_one_name_at_once_leave_one_whole_file() {
    let store = Store::start(&[]);
    let address = store.server.address();
    let answers: Vec<String> = thread::scope(|scope| {
        let senders: Vec<_> = (0..8_u8)
            .map(|number| {
                thread::Builder::new()
                    .spawn_scoped(scope, move || {
                        let content = vec![number; 100_000];
                        upload(&connect(address), "name", &content)
                    })
                    .unwrap()
            })
            .collect();
        senders.into_iter().map(|s| s.join().unwrap()).collect()
    });

    let saved = answers.iter().filter(|a| *a == "SAVED 100000 name");
    assert_eq!(saved.count(), 1, "{answers:?}");
    let content = store.read("name");
    assert_eq!(content.len(), 100_000);
    assert!(content.iter().all(|byte| *byte == content[0]));
    assert_eq!(store.names(), ["name"]);
}

#[test]
fn a_size_over_the_limit_is_refused_and_the_visit_goes_on() {
    let store = Store::start(&["--max-size", "100"]);
    let client = store.connect();

    for size in ["101", "1000000000000", "18446744073709551615"] {
        send(&client, offer("big", size));
        let why = format!("{size} bytes are over the limit of 100");
        assert_eq!(hear_message(&client), format!("ERROR {why}"));
    }

    let receipt = upload(&client, "fits", &[b'x'; 100]);
    assert_eq!(receipt, "SAVED 100 fits");
    assert_eq!(store.names(), ["fits"]);
}

#[test]
fn the_limit_is_a_gibibyte_unless_told_otherwise() {
    let store = Store::start(&[]);
    let client = store.connect();

    send(&client, offer("a", 1024 * 1024 * 1024 + 1));
    assert!(hear_message(&client).starts_with("ERROR "));
    send(&client, offer("a", 1024 * 1024 * 1024));
    assert_eq!(hear_message(&client), "READY");
}

/// Wherever the connection ends, orderly or not: no file, no rest of one.
#[test]
fn a_cut_upload_leaves_nothing_behind() {
    let mut store = Store::start(&[]);
    let content = vec![b'x'; 200_000];
    let whole = [offer("file", content.len()), content].concat();
    let cuts = [1, 63, 64, 68, 69, 131, 132, 133, 1000, 132 + 199_999];
    for place in cuts {
        for is_reset in [false, true] {
            let client = store.connect();
            let peer = client.local_addr().unwrap();
            send(&client, &whole[..place]);
            if place >= 132 {
                assert_eq!(hear_message(&client), "READY");
            }
            if is_reset {
                peer::reset(client);
            } else {
                end(&client);
            }

            let line = store.server.complains("[ERROR]");
            store.wait_until_closed(peer);

            assert!(line.starts_with(&format!("[ERROR] {peer} ")), "{line}");
            assert!(store.names().is_empty(), "{place}: {:?}", store.names());
        }
    }
    good_visit(store.server.address());
}

#[test]
fn a_cut_says_how_many_bytes_of_how_many_had_come() {
    let mut store = Store::start(&[]);
    let cuts: [(&[&[u8]], &str); 3] = [
        (&[b"4"], "1 of 64 bytes of the header"),
        (&[&message("name")], "0 of 64 bytes of the size"),
        (&[&offer("name", 10), b"1234"], "4 of 10 bytes of the content"),
    ];
    for (bytes, counts) in cuts {
        let client = store.connect();
        let peer = client.local_addr().unwrap();

        send(&client, bytes.concat());
        end(&client);

        let why = format!("the connection ended: {counts} had come");
        let line = store.server.complains("[");
        assert_eq!(line, format!("[ERROR] {peer} {why}"));
    }
}

#[test]
fn a_sender_who_falls_silent_leaves_nothing_behind() {
    let mut store = Store::start(&["--timeout", "1"]);
    let client = store.connect();
    send(&client, offer("file", 10));
    assert_eq!(hear_message(&client), "READY");

    send(&client, "1234");

    let peer = client.local_addr().unwrap();
    store.server.says(&format!("[TIMED OUT] {peer}"));
    store.wait_until_closed(peer);
    assert!(store.names().is_empty(), "{:?}", store.names());
}

/// A large file on a slow line takes its time: silence counts, not the whole.
#[test]
fn a_slow_sender_may_take_longer_than_the_time_out() {
    let store = Store::start(&["--timeout", "1"]);
    let client = store.connect();
    send(&client, offer("slow", 6));
    assert_eq!(hear_message(&client), "READY");

    for _ in 0..6 {
        send(&client, "x");
        thread::sleep(Duration::from_millis(300));
    }

    assert_eq!(hear_message(&client), "SAVED 6 slow");
}

#[test]
fn a_drip_feeder_has_the_time_out_for_the_whole_offer() {
    let mut store = Store::start(&["--timeout", "1"]);
    let client = store.connect();
    let peer = client.local_addr().unwrap();
    let dripping = thread::Builder::new().spawn(move || {
        for byte in offer("name", 5) {
            thread::sleep(Duration::from_millis(100));
            if (&client).write_all(&[byte]).is_err() {
                break;
            }
        }
    });

    store.server.says(&format!("[TIMED OUT] {peer}"));
    dripping.unwrap().join().unwrap();
}

#[test]
fn a_silent_client_does_not_hold_up_a_busy_one() {
    let store = Store::start(&[]);
    let silent = store.connect();
    let half = store.connect();
    send(&half, offer("half", 10));
    assert_eq!(hear_message(&half), "READY");

    good_visit(store.server.address());

    assert_eq!(upload(&silent, "silent", b"x"), "SAVED 1 silent");
}

#[test]
fn one_more_than_the_limit_is_told_so_in_a_message() {
    let store = Store::start(&["--max-clients", "1"]);
    let inside = store.connect();
    assert_eq!(upload(&inside, "one", b"1"), "SAVED 1 one");

    let outside = store.connect();
    send(&outside, offer("two", 1));

    assert_eq!(hear_message(&outside), "ERROR Server is full.");
    assert_eq!(hear_all(&outside), b"");
}

/// A limit on the size of files stands in for a full disk: write(2) fails
/// for both in the middle of the content.
#[cfg(unix)]
#[test]
fn a_full_disk_is_answered_leaves_nothing_and_the_visit_goes_on() {
    let dir = TempDir::new().unwrap();
    // In blocks of 512 or 1024 bytes, as the shell counts them. Over it, the
    // system sends SIGXFSZ, which would end the program.
    let server = Server::start_limited(program(), "-f 200", &args(&dir));
    let store = Store { server, dir };
    let client = store.connect();

    let answer = upload(&client, "big", &vec![b'x'; 1_000_000]);

    assert!(answer.starts_with("ERROR "), "{answer}");
    assert!(store.names().is_empty(), "{:?}", store.names());
    assert_eq!(upload(&client, "small", b"x"), "SAVED 1 small");
}

/// The rest of a file that is lost anyway takes no space from the others.
#[cfg(unix)]
#[test]
fn a_full_disk_gets_its_space_back_at_once() {
    let dir = TempDir::new().unwrap();
    let server = Server::start_limited(program(), "-f 200", &args(&dir));
    let store = Store { server, dir };
    let client = store.connect();
    send(&client, offer("big", 1_000_000));
    assert_eq!(hear_message(&client), "READY");

    send(&client, vec![b'x'; 900_000]);

    let part = store.dir.path().join(&store.names()[0]);
    let begin = std::time::Instant::now();
    while fs::metadata(&part).unwrap().len() > 0 {
        assert!(begin.elapsed() < harness::PATIENCE);
        thread::yield_now();
    }
    send(&client, vec![b'x'; 100_000]);
    assert!(hear_message(&client).starts_with("ERROR "));
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_gone_is_answered() {
    let store = Store::start(&[]);
    fs::remove_dir(store.dir.path()).unwrap();

    let answer = upload(&store.connect(), "name", b"x");

    assert_eq!(answer, "ERROR there is no such file or folder");
}

/// The temporary file is out of reach then. That must not stay a secret.
#[cfg(unix)]
#[test]
fn a_temporary_file_that_cannot_be_removed_is_reported() {
    let outer = TempDir::new().unwrap();
    let (dir, renamed) = (outer.path().join("dir"), outer.path().join("new"));
    let args = ["--dir", dir.to_str().unwrap()];
    for content in [&b"half"[..], b"all of it!"] {
        let mut server = Server::start(program(), &args);
        let client = server.connect();
        send(&client, offer("name", 10));
        assert_eq!(hear_message(&client), "READY");
        fs::rename(&dir, &renamed).unwrap();

        send(&client, content);
        peer::end(&client);

        let line = server.complains("cannot remove ");
        assert!(line.contains("/dir/.first-socket-"), "{line}");
        assert!(line.ends_with(": there is no such file or folder"), "{line}");
        assert!(!renamed.join("name").exists());
        fs::remove_dir_all(&renamed).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_in_the_middle_of_an_upload_leaves_nothing_behind() {
    let mut store = Store::start(&[]);
    let silent = store.connect();
    send(&silent, offer("silent", 10));
    assert_eq!(hear_message(&silent), "READY");
    let busy = store.connect();
    send(&busy, offer("busy", 1_000_000_000));
    assert_eq!(hear_message(&busy), "READY");
    let sending = thread::Builder::new().spawn(move || peer::flood(&busy));
    store.server.says("busy");

    let Store { server, dir } = store;
    let ended = server.stop();

    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert!(ended.took < harness::STOP_TIME, "{:?}", ended.took);
    assert!(ended.stderr.is_empty(), "{ended:#?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    sending.unwrap().join().unwrap();
}

/// 64 MiB through both programs, each of which has far less memory.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_flat_whatever_the_size() {
    let store = Store::start(&[]);
    let source = TempDir::new().unwrap();
    let path = source.path().join("large");
    let file = fs::File::create(&path).unwrap();
    file.set_len(64 * 1024 * 1024).unwrap();

    let mut command = assert_cmd::Command::new("sh");
    command.args(["-c", "ulimit -v 40000 && exec \"$0\" \"$@\""]).arg(client());
    command.args(["--port", &store.server.port()]).arg(&path);
    let ended = command.timeout(harness::PATIENCE).assert();

    ended.success().stdout("READY\nSAVED 67108864 large\n");
    let status = format!("/proc/{}/status", store.server.id());
    let status = fs::read_to_string(status).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak = peak.unwrap().split_whitespace().nth(1).unwrap();
    assert!(peak.parse::<u64>().unwrap() < 20_000, "{peak} kB");
}

#[test]
fn a_reset_is_one_line_and_nobody_elses() {
    let dir = TempDir::new().unwrap();
    contract::a_reset_is_one_line_and_nobody_elses(
        program(),
        &args(&dir),
        good_visit,
    );
}

#[cfg(unix)]
#[test]
fn a_suspended_server_keeps_its_clients() {
    let dir = TempDir::new().unwrap();
    let count = AtomicU64::new(0);
    let talk = |client: &TcpStream| {
        let name = format!("file {}", count.fetch_add(1, Ordering::SeqCst));
        let receipt = format!("SAVED 1 {name}");
        assert_eq!(upload(client, &name, b"x"), receipt);
    };
    contract::a_suspended_server_keeps_its_clients(
        program(),
        &args(&dir),
        talk,
    );
}

#[cfg(unix)]
#[test]
fn a_suspended_server_keeps_an_upload() {
    let store = Store::start(&[]);
    let client = store.connect();
    send(&client, offer("half", 4));
    assert_eq!(hear_message(&client), "READY");
    send(&client, "ha");

    harness::suspend(store.server.id());

    send(&client, "lf");
    assert_eq!(hear_message(&client), "SAVED 4 half");
}

#[cfg(unix)]
#[test]
fn running_out_of_descriptors_is_survived() {
    let dir = TempDir::new().unwrap();
    contract::running_out_of_descriptors_is_survived(
        program(),
        &args(&dir),
        good_visit,
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_works_without_descriptors() {
    let dir = TempDir::new().unwrap();
    contract::ctrl_c_works_without_descriptors(program(), &args(&dir));
}

#[cfg(target_os = "linux")]
#[test]
fn a_silent_client_wakes_no_thread() {
    contract::a_silent_client_wakes_no_thread(
        program(),
        &args(&TempDir::new().unwrap()),
        |client| {
            send(client, offer("name", 10));
            assert_eq!(hear_message(client), "READY");
        },
    );
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_it_though_nobody_reads_its_output() {
    contract::a_second_ctrl_c_ends_it_though_nobody_reads_its_output(
        program(),
        &args(&TempDir::new().unwrap()),
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_lets_go_and_frees_the_port() {
    let dir = TempDir::new().unwrap();
    contract::ctrl_c_lets_go_and_frees_the_port(program(), &args(&dir));
}

#[cfg(target_os = "linux")]
#[test]
fn noise_leaves_no_trace() {
    let dir = TempDir::new().unwrap();
    contract::noise_leaves_no_trace(program(), &args(&dir), 300, good_visit);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes too long for every day"]
fn ten_thousand_noisy_clients_leave_no_trace() {
    let dir = TempDir::new().unwrap();
    let args = args(&dir);
    contract::noise_leaves_no_trace(program(), &args, 10_000, good_visit);
}

#[test]
fn a_port_in_use_is_explained() {
    let dir = TempDir::new().unwrap();
    contract::a_port_in_use_is_explained(program(), &args(&dir));
}

#[test]
fn a_foreign_address_is_explained() {
    let dir = TempDir::new().unwrap();
    contract::a_foreign_address_is_explained(program(), &args(&dir));
}

#[test]
fn an_unknown_host_is_explained() {
    let dir = TempDir::new().unwrap();
    contract::an_unknown_host_is_explained(program(), &args(&dir));
}

#[test]
fn an_ipv6_address_works() {
    let dir = TempDir::new().unwrap();
    contract::an_ipv6_address_works(program(), &args(&dir), good_visit);
}

#[test]
fn help_shows_the_defaults() {
    contract::help_shows(
        program(),
        &["8080", "50", "60", "received", "1073741824"],
    );
    contract::help_shows(client(), &["127.0.0.1", "8080"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    contract::wrong_usage_exits_with_2(program());
    run(program(), &["--max-size", "-1"]).code(2);
    run(client(), &[]).code(2).stderr(contains("<FILE>"));
}

/// Files to send, in a folder of their own.
fn files(contents: &[(&str, &[u8])]) -> (TempDir, Vec<PathBuf>) {
    let dir = TempDir::new().unwrap();
    let write = |(name, content): &(&str, &[u8])| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let paths = contents.iter().map(write).collect();
    (dir, paths)
}

#[track_caller]
fn run_client(port: &str, paths: &[PathBuf]) -> assert_cmd::assert::Assert {
    let mut args = vec!["--port", port];
    args.extend(paths.iter().map(|path| path.to_str().unwrap()));
    run(client(), &args)
}

#[test]
fn the_client_sends_each_file_and_prints_the_receipts() {
    let store = Store::start(&[]);
    let large: Vec<u8> = (0..=255).cycle().take(300_001).collect();
    let (_dir, paths) =
        files(&[("empty", b""), ("wörld 1", b"\xff\0"), ("large", &large)]);

    let ended = run_client(&store.server.port(), &paths);

    ended
        .success()
        .stdout(
            "READY\nSAVED 0 empty\nREADY\nSAVED 2 wörld 1\nREADY\n\
             SAVED 300001 large\n",
        )
        .stderr(
            "[SENT] 0 bytes of empty\n[SENT] 2 bytes of wörld 1\n\
             [SENT] 300001 bytes of large\n",
        );
    assert_eq!(store.read("wörld 1"), b"\xff\0");
    assert!(store.read("large") == large);
}

#[test]
fn the_client_goes_on_after_a_refusal_and_then_fails() {
    let store = Store::start(&["--max-size", "3"]);
    let (dir, mut paths) =
        files(&[("long", b"1234"), ("short", b"123"), ("twin", b"1")]);
    paths.insert(0, dir.path().join("absent"));
    paths.insert(0, dir.path().to_path_buf());

    let ended = run_client(&store.server.port(), &paths);

    ended
        .code(1)
        .stdout(
            "ERROR 4 bytes are over the limit of 3\nREADY\nSAVED 3 short\n\
             READY\nSAVED 1 twin\n",
        )
        .stderr(contains("this is a folder or a device"))
        .stderr(contains("absent: there is no such file"))
        .stderr(contains("2 of 5 are saved"));
    assert_eq!(store.names(), ["short", "twin"]);
}

/// A server that sets the file's size, after it has been offered with 1000
/// bytes; returns how many bytes came.
fn take_while_it_changes(
    path: &Path,
    size: u64,
) -> (SocketAddr, thread::JoinHandle<usize>) {
    let path = path.to_path_buf();
    peer::serve_one(move |connection| {
        let _ = hear_message(&connection);
        assert_eq!(peer::hear(&connection, 64), header(1000));
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(size).unwrap();
        send(&connection, message("READY"));
        let mut content = vec![0; 2000];
        let mut got = 0;
        while got < 1000 {
            match (&connection).read(&mut content[got..]).unwrap() {
                0 => return got,
                count => got += count,
            }
        }
        send(&connection, message("SAVED 1000 file"));
        let rest = hear_all(&connection);
        got + rest.len()
    })
}

#[test]
fn the_client_sends_no_more_than_it_has_offered() {
    let (_dir, paths) = files(&[("file", &[b'x'; 1000])]);
    let (address, server) = take_while_it_changes(&paths[0], 2000);

    let ended = run_client(&address.port().to_string(), &paths);

    ended.success().stdout("READY\nSAVED 1000 file\n");
    assert_eq!(server.join().unwrap(), 1000);
}

#[test]
fn the_client_says_when_a_file_became_shorter() {
    let (_dir, paths) = files(&[("file", &[b'x'; 1000])]);
    let (address, server) = take_while_it_changes(&paths[0], 500);

    let ended = run_client(&address.port().to_string(), &paths);

    let what = "cannot read file to its end: it became shorter";
    ended.code(1).stdout("READY\n").stderr(contains(what));
    assert_eq!(server.join().unwrap(), 500);
}

#[cfg(unix)]
#[test]
fn what_the_client_prints_of_a_name_is_escaped() {
    let store = Store::start(&[]);
    let (dir, mut paths) = files(&[("it's wörld", b"x")]);
    paths.push(dir.path().join("absent\x1b[2J"));

    let ended = run_client(&store.server.port(), &paths);

    ended
        .code(1)
        .stderr(contains("[SENT] 1 bytes of it's wörld\n"))
        .stderr(contains(r"absent\u{1b}[2J: there is no such file"));
}

#[test]
fn the_client_says_when_the_server_goes_away() {
    let (address, server) = peer::serve_one(|connection| {
        send(&connection, message("READY"));
        let _ = (&connection).read(&mut [0; 10_000]).unwrap();
        peer::reset(connection);
    });
    let (_dir, paths) = files(&[("large", &vec![b'x'; 10_000_000])]);

    let ended = run_client(&address.port().to_string(), &paths);

    let what = format!("[ERROR] the conversation with {address} broke off: ");
    ended.code(1).stderr(predicate::str::starts_with(what));
    server.join().unwrap();
}

/// A receipt for something else is none.
#[test]
fn the_client_believes_no_other_receipt_than_its_own() {
    let (_dir, paths) = files(&[("up.txt", b"0123456789")]);
    for receipt in ["SAVED 0 up.txt", "SAVED 10 other.txt", "SAVED"] {
        let (address, server) = peer::serve_one(move |connection| {
            assert_eq!(hear_message(&connection), "up.txt");
            let _ = peer::hear(&connection, 64);
            send(&connection, message("READY"));
            let _ = peer::hear(&connection, 10);
            send(&connection, message(receipt));
        });

        let ended = run_client(&address.port().to_string(), &paths);

        let heard = format!("READY\n{receipt}\n");
        ended.code(1).stdout(heard).stderr(contains("0 of 1 are saved"));
        server.join().unwrap();
    }
}

#[test]
fn the_client_believes_no_receipt_before_the_content() {
    let (_dir, paths) = files(&[("up.txt", b"0123456789")]);
    let (address, server) = peer::serve_one(|connection| {
        let early = [message("READY"), message("SAVED 10 up.txt")].concat();
        send(&connection, early);
        peer::end(&connection);
        // Whatever else comes is read, so that nothing is reset.
        let _ = (&connection).read_to_end(&mut Vec::new());
    });

    let ended = run_client(&address.port().to_string(), &paths);

    let why = "it did not wait for the whole content";
    ended.code(1).stdout("READY\nSAVED 10 up.txt\n").stderr(contains(why));
    server.join().unwrap();
}

/// However much of the content is still to come.
#[test]
fn the_client_prints_why_the_server_gives_up_in_the_middle() {
    let (_dir, paths) = files(&[("large", &vec![b'x'; 50_000_000])]);
    for reset in [false, true] {
        let (address, server) = peer::serve_one(move |connection| {
            send(&connection, message("READY"));
            let _ = peer::hear(&connection, 1000);
            send(&connection, message("ERROR the disk is full"));
            if !reset {
                peer::end(&connection);
                let _ = (&connection).read_to_end(&mut Vec::new());
            }
            // Else it is closed with unread input, which resets it.
        });

        let ended = run_client(&address.port().to_string(), &paths);

        ended
            .code(1)
            .stdout("READY\nERROR the disk is full\n")
            .stderr(contains("broke off"));
        server.join().unwrap();
    }
}

#[test]
fn the_client_says_when_nobody_listens() {
    let (_dir, paths) = files(&[("file", b"x")]);

    let (_nobody, port) = port_of_nobody();
    let ended = run_client(&port.to_string(), &paths);

    ended.code(1).stdout("").stderr(contains("nobody listens there"));
}
