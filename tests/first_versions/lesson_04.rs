//! 04: read once, and answer.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;

use assert_cmd::cargo::cargo_bin;
use harness::Server;
use harness::contract::run;
use harness::peer::{end, header, hear_message, message, send, serve_one};

use crate::copy::first;
use crate::wait_until_read;

fn start_first() -> Server {
    Server::start(first("04_first"), &[])
}

fn start_lesson() -> Server {
    Server::start(program(), &[])
}

fn program() -> &'static Path {
    cargo_bin!("04_length_prefix")
}

/// Sends the pieces so that each comes with another read, ends, and returns
/// all replies up to an orderly end.
#[track_caller]
fn ask(server: &Server, pieces: &[&[u8]]) -> Vec<String> {
    let client = server.connect();
    for piece in pieces {
        send(&client, piece);
        wait_until_read(&client);
    }
    end(&client);
    replies(&client)
}

#[track_caller]
fn replies(client: &TcpStream) -> Vec<String> {
    let mut replies = Vec::new();
    while client.peek(&mut [0]).unwrap() > 0 {
        replies.push(hear_message(client));
    }
    replies
}

/// Bytes that nobody sent: the rest of the server's buffer.
fn zeros(count: usize) -> String {
    "\0".repeat(count)
}

#[test]
fn a_friendly_client_is_understood() {
    let server = start_first();

    let args = ["--port", &server.port(), "Hello Server!", "wörld", ""];
    let ended = run(cargo_bin!("04_client"), &args);

    let replies = "Hello Client!\nYou said: wörld\nYou said: \n";
    ended.success().stdout(replies).stderr("");
}

#[test]
fn half_a_message_gets_two_wrong_replies() {
    let (header, body) = (header(13), b"Hello Server!");

    let of_first = ask(&start_first(), &[&header, body]);
    let of_lesson = ask(&start_lesson(), &[&header, body]);

    // The body was taken for the next header, which is no number.
    let wrong = format!("You said: {}", zeros(13));
    assert_eq!(of_first, [&wrong, "You said: "]);
    assert_eq!(of_lesson, ["Hello Client!"]);
}

#[test]
fn half_a_header_is_no_number_and_neither_is_the_rest() {
    let bytes = message("Hello Server!");

    let of_first = ask(&start_first(), &[&bytes[..1], &bytes[1..]]);
    let of_lesson = ask(&start_lesson(), &[&bytes[..1], &bytes[1..]]);

    assert_eq!(of_first, ["You said: ", "You said: "]);
    assert_eq!(of_lesson, ["Hello Client!"]);
}

#[test]
fn of_two_glued_messages_the_second_is_lost() {
    let both = [message("one"), message("two")].concat();

    let of_first = ask(&start_first(), &[&both]);
    let of_lesson = ask(&start_lesson(), &[&both]);

    assert_eq!(of_first, ["You said: one"]);
    assert_eq!(of_lesson, ["You said: one", "You said: two"]);
}

/// The ö of wörld is two bytes.
#[test]
fn half_a_letter_is_no_letter() {
    let bytes = message("wörld");
    let place = 64 + 2;

    let of_first = ask(&start_first(), &[&bytes[..place], &bytes[place..]]);
    let of_lesson = ask(&start_lesson(), &[&bytes[..place], &bytes[place..]]);

    let wrong = format!("You said: w\u{fffd}{}", zeros(4));
    assert_eq!(of_first, [&wrong, "You said: "]);
    assert_eq!(of_lesson, ["You said: wörld"]);
}

/// A length of 25 with two bytes behind it: the server fills up from what an
/// earlier message has left in its buffer.
#[test]
fn a_length_that_lies_is_answered_with_old_bytes() {
    let secret = message("the password is swordfish");
    let lie = [&header(25)[..], b"hi"].concat();

    let of_first = ask(&start_first(), &[&secret, &lie]);
    let mut lesson = start_lesson();
    let of_lesson = ask(&lesson, &[&secret, &lie]);

    assert_eq!(of_first[1], "You said: hie password is swordfish");
    assert_eq!(of_lesson, ["You said: the password is swordfish"]);
    lesson.complains(": 2 of 25 bytes of the body had come");
}

#[test]
fn a_length_beyond_the_buffer_ends_the_thread() {
    let (mut first, mut lesson) = (start_first(), start_lesson());

    let of_first = ask(&first, &[&header(1_000_000_000)]);
    let of_lesson = ask(&lesson, &[&header(1_000_000_000)]);

    assert_eq!(of_first, [""; 0]);
    first.complains("panicked at ");
    first.complains("range end index 1000000064 out of range");
    let why = "1000000000 bytes are over the limit of 1048576";
    assert_eq!(of_lesson, [format!("ERROR {why}")]);
    lesson.complains(why);
}

/// An honest one, too: the buffer has 1,024 bytes, and 64 are the header's.
#[test]
fn a_message_of_961_bytes_ends_the_thread() {
    let (fits, long) = (message("x".repeat(960)), message("x".repeat(961)));
    let mut first = start_first();

    let of_first = ask(&first, &[&fits]);
    let none = ask_and_be_dropped(&first, &long);
    let of_lesson = ask(&start_lesson(), &[&fits, &long]);

    assert_eq!(of_first, [format!("You said: {}", "x".repeat(960))]);
    first.complains("range end index 1025 out of range");
    assert_eq!(none, 0);
    assert_eq!(of_lesson[1].len(), "You said: ".len() + 961);
}

/// How many bytes came back before the server let go, in whatever way.
fn ask_and_be_dropped(server: &Server, bytes: &[u8]) -> usize {
    let mut client = server.connect();
    send(&client, bytes);
    let mut heard = Vec::new();
    let _ = client.read_to_end(&mut heard);
    heard.len()
}

#[test]
fn a_header_that_is_no_number_is_taken_for_a_zero() {
    let five = [&header("five")[..], b"hello"].concat();

    let of_first = ask(&start_first(), &[&five]);
    let of_lesson = ask(&start_lesson(), &[&five]);

    assert_eq!(of_first, ["You said: "]);
    assert!(of_lesson[0].starts_with("ERROR not a length: "));
}

/// `write!` sends header and body in many pieces; the second waits until the
/// client's kernel has confirmed the first, and that takes its time (Nagle,
/// delayed acknowledgement). Only Linux is known to take 40 ms.
#[cfg(target_os = "linux")]
#[test]
fn a_reply_in_many_pieces_takes_40_milliseconds() {
    use std::time::{Duration, Instant};

    // The median: a machine that is busy makes some rounds slow.
    let time = |server: &Server| {
        let client = server.connect();
        let mut times = [Duration::ZERO; 21];
        for time in &mut times {
            let begin = Instant::now();
            send(&client, message("Hello Server!"));
            assert_eq!(hear_message(&client), "Hello Client!");
            *time = begin.elapsed();
        }
        times.sort();
        times[10]
    };

    let slow = time(&start_first());
    let fast = time(&start_lesson());

    println!("{slow:?} and {fast:?}");
    assert!(slow > Duration::from_millis(20), "{slow:?}");
    assert!(fast < slow / 2, "{fast:?} of {slow:?}");
}

/// What the friendly client sends is one message, and one read.
#[test]
fn a_friendly_client_sends_a_message_in_one_piece() {
    let (address, server) = serve_one(|mut connection| {
        let mut chunk = [0; 1024];
        let count = connection.read(&mut chunk).unwrap();
        send(&connection, message("answer"));
        chunk[..count].to_vec()
    });

    let args = ["--port", &address.port().to_string(), "wörld"];
    run(cargo_bin!("04_client"), &args).success().stdout("answer\n");

    assert_eq!(server.join().unwrap(), message("wörld"));
}
