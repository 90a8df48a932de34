//! 02: accept, send, close.

use std::path::Path;

use assert_cmd::cargo::cargo_bin;
use harness::Server;
use harness::contract::run;
use harness::peer::{connect_with_little_room, hear, hear_all};

use crate::copy::{first, first_with};
use crate::hears_nothing;

const GREETING: &[u8] = b"Connection Established\r\n";

fn lesson() -> &'static Path {
    cargo_bin!("02_accept_send_close")
}

/// The first version with a message of `count` bytes.
fn first_with_message_of(count: usize) -> Server {
    let message = format!("\"x\".repeat({count}).as_bytes()");
    let greeting = r#"b"Connection Established\r\n""#;
    Server::start(first_with("02_first", greeting, &message), &[])
}

#[test]
fn friendly_clients_are_greeted_one_after_the_other() {
    let mut server = Server::start(first("02_first"), &[]);

    for _ in 0..3 {
        let ended = run(cargo_bin!("02_client"), &["--port", &server.port()]);

        ended.success().stdout(GREETING).stderr("");
        server.says("[NEW CONNECTION] 127.0.0.1:");
    }
}

/// While the server is stopped, what a client does is done before the server
/// looks: the kernel connects, and takes the bytes.
#[cfg(unix)]
mod while_the_server_looks_away {
    use std::net::TcpStream;

    use harness::Signal;

    use super::*;
    use harness::peer::{self, send};

    use crate::{hear_until_reset, wait_until_gone};

    /// A client who says something that this server never reads. Returns
    /// once the server has closed: the next client is in.
    fn talk_to_one_who_does_not_read(
        server: &Server,
        connect: impl Fn() -> TcpStream,
    ) -> TcpStream {
        server.signal(Signal::SIGSTOP);
        let client = connect();
        send(&client, "hello? hello?\n");
        server.signal(Signal::SIGCONT);
        let next = server.connect();
        assert_eq!(hear(&next, 10).len(), 10);
        client
    }

    #[test]
    fn unread_input_turns_the_end_into_a_reset() {
        let first = Server::start(first("02_first"), &[]);
        let lesson = Server::start(lesson(), &[]);

        let client = talk_to_one_who_does_not_read(&first, || first.connect());
        let next = talk_to_one_who_does_not_read(&lesson, || lesson.connect());

        let heard = hear_until_reset(&client);
        // A short message may already be with the client.
        assert!(heard == GREETING || !cfg!(target_os = "linux"), "{heard:?}");
        assert_eq!(hear_all(&next), GREETING);
    }

    #[test]
    fn unread_input_destroys_most_of_a_long_message() {
        let first = first_with_message_of(1_000_000);

        let client = talk_to_one_who_does_not_read(&first, || first.connect());

        let heard = hear_until_reset(&client).len();
        println!("{heard} of 1000000 bytes");
        assert!(heard < 300_000, "{heard} bytes");
    }

    /// The lesson's message comes from its command line, which Linux limits
    /// to 128 KiB; so the clients have little room instead.
    #[test]
    fn unread_input_destroys_nothing_of_the_lessons_message() {
        let message = "x".repeat(100_000);
        let first = first_with_message_of(100_000);
        let lesson = Server::start(lesson(), &["--message", &message]);

        let client = talk_to_one_who_does_not_read(&first, || {
            connect_with_little_room(first.address())
        });
        let next = talk_to_one_who_does_not_read(&lesson, || {
            connect_with_little_room(lesson.address())
        });

        let heard = hear_until_reset(&client).len();
        println!("{heard} of 100000 bytes");
        assert!(heard < 50_000, "{heard} bytes");
        assert_eq!(hear_all(&next).len(), 100_002);
    }

    /// It was gone before its turn came: one client's trouble, and `?` makes
    /// it everybody's.
    #[test]
    fn one_client_who_breaks_off_ends_the_server() {
        let mut first = Server::start(first("02_first"), &[]);
        let mut lesson = Server::start(lesson(), &[]);

        for server in [&first, &lesson] {
            server.signal(Signal::SIGSTOP);
            // A busy kernel may be late with one reset, not with all of them.
            for _ in 0..10 {
                peer::reset(server.connect());
            }
            server.signal(Signal::SIGCONT);
        }

        first.complains("Error: Os { code: ");
        wait_until_gone(first.address());
        lesson.complains("[ERROR] 127.0.0.1:");
        assert_eq!(hear_all(&lesson.connect()), GREETING);
    }
}

/// It takes no byte of a message that is longer than all buffers.
#[test]
fn a_client_who_does_not_read_locks_out_the_next() {
    let first = first_with_message_of(20_000_000);
    let deaf = first.connect();
    assert_eq!(deaf.peek(&mut [0]).unwrap(), 1, "its turn has come");

    let next = first.connect();

    hears_nothing(&next);
    assert_eq!(hear_all(&deaf).len(), 20_000_000);
    assert_eq!(hear(&next, 1), b"x");
}

/// There it is over after a second.
#[test]
fn a_client_who_does_not_read_holds_up_nobody_in_the_lesson() {
    let message = "x".repeat(130_000);
    let lesson = Server::start(lesson(), &["--message", &message]);
    let deaf = connect_with_little_room(lesson.address());
    assert_eq!(deaf.peek(&mut [0]).unwrap(), 1, "its turn has come");

    assert_eq!(hear_all(&lesson.connect()).len(), 130_002);
}
