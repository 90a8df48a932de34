//! The stranger: one client for the whole course, which behaves as strangers
//! and networks do.
//!
//! `cargo run -q --bin stranger -- silent`, while a server runs in another
//! terminal; with `--help` in the place of `silent` it lists the ways.

// ANCHOR: uses
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use first_socket::errors::{self, Error, is_timeout};
use first_socket::escape::shown;
use first_socket::events::event;
use first_socket::flags::Address;
use first_socket::message::{framed, header};
use first_socket::net;
use socket2::SockRef;

/// How long the stranger waits for a server that is silent.
const PATIENCE: Duration = Duration::from_secs(1);

/// The next client waits longer: the server may still be at the stranger.
const NEXT_PATIENCE: Duration = Duration::from_secs(3);

/// Between two pieces, so that the server reads each on its own.
const PAUSE: Duration = Duration::from_millis(50);

/// Sending ends after this time; listening does, too, or after these bytes.
const LONGEST: Duration = Duration::from_secs(10);
const MOST: usize = 20_000_000;

/// How many connections are broken off.
const RESETS: usize = 500;
// ANCHOR_END: uses

// ANCHOR: flags
/// Misbehaves, and tells what comes of it (the numbers: lessons it is for)
#[derive(Parser)]
#[command(subcommand_value_name = "HOW", disable_help_subcommand = true)]
struct Args {
    #[command(flatten)]
    address: Address,

    #[command(subcommand)]
    how: How,
}

#[derive(Subcommand)]
enum How {
    /// 01 03  Come N times (up to 255), say hello, and stay
    Crowd {
        #[arg(default_value_t = 150, value_name = "N")]
        count: u8,
    },
    /// 02     Break off at once, 500 times
    Reset,
    /// 02     Send 60000 bytes, and only then listen
    Unread,
    /// 02 03  Send 20000000 bytes, and never listen
    Deaf,
    /// 02 03  Say nothing
    Silent,
    /// 03     Say hello, end this side, and listen
    HalfClosed,
    /// 04     Send bytes that make no sense
    Noise,
    /// 04     Send a message one byte at a time
    Slow,
    /// 04     Send a message in four pieces, one cut inside a letter
    Split,
    /// 04     Send two messages in one piece
    Glued,
    /// 04     End in the middle of a message
    Cut,
    /// 04     Announce 25 bytes, and send 2
    Lie,
    /// 04     Announce a gigabyte
    Giant,
    /// 05     Offer a file whose name leads out of the folder
    BadName,
    /// 05     Announce 100000 bytes of a file, send 1000, and end
    ShortFile,
    /// 05     Announce a file of a terabyte
    EndlessFile,
}
// ANCHOR_END: flags

// ANCHOR: main
fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(Args { address, how }: &Args) -> Result<(), Error> {
    let stream = net::connect(address)?;
    let peer =
        stream.peer_addr().map_err(|e| net::disconnected(address, &e))?;
    event("DO", format!("connect to {peer}"));
    // What comes stays until the next client has been there.
    let mut crowd = vec![stream];
    let mine = match how {
        How::Crowd { count } => come(&mut crowd, peer, *count),
        How::Reset => break_off(&mut crowd, peer),
        _ => talk(&crowd[0], how).to_owned(),
    };
    event("VERDICT", format!("the server {mine}, and {}", next_client(peer)));
    Ok(())
}
// ANCHOR_END: main

// ANCHOR: pieces
/// What is sent, piece by piece.
fn pieces(how: &How) -> Vec<Vec<u8>> {
    let text = framed("wörld".as_bytes());
    let part = |from: usize, to: usize| text[from..to].to_vec();
    let lie = [header(25).as_bytes(), b"hi"].concat();
    let offer =
        |name: &[u8], size| [framed(name), header(size).into_bytes()].concat();
    match how {
        How::Silent | How::Reset | How::Crowd { .. } => vec![],
        How::Unread => vec![vec![b'?'; 60_000]],
        How::Deaf => vec![vec![b'x'; 500_000]; 40],
        How::HalfClosed => vec![b"hello\n".to_vec()],
        How::Noise => vec![(0..=255).rev().collect()],
        How::Slow => text.iter().map(|byte| vec![*byte]).collect(),
        How::Split => vec![part(0, 1), part(1, 64), part(64, 66), part(66, 70)],
        How::Glued => vec![[framed(b"one"), framed(b"two")].concat()],
        How::Cut => vec![part(0, 66)],
        How::Lie => vec![framed(b"the password is swordfish"), lie],
        How::Giant => vec![header(1_000_000_000).into_bytes()],
        How::BadName => vec![offer(b"../escaped.txt", 0)],
        How::ShortFile => vec![offer(b"half.txt", 100_000), vec![b'x'; 1000]],
        How::EndlessFile => vec![offer(b"endless.txt", 1_000_000_000_000)],
    }
}
// ANCHOR_END: pieces

// ANCHOR: signs
/// What an answer tells of the server; the first words that it holds count.
const SIGNS: [(&str, &str); 11] = [
    ("SAVED 0 ../", "made a file outside of its folder"),
    ("SAVED 100000 ", "says SAVED, and has a hundredth of the file"),
    ("READY", "says READY to that, and not SAVED"),
    ("ERROR", "refused, and said why"),
    ("You said: hi", "answered with bytes that I did not send"),
    ("swordfish", "answered the honest message alone"),
    ("wörld", "put the pieces together"),
    (" two", "found both messages"),
    (" one", "lost the second message"),
    ("You said: ", "took a piece for a message"),
    ("", "answered me"),
];

/// How listening ends, and what that tells of a server that has said nothing.
type End = [&'static str; 2];
const CLOSED: End = ["the end", "let me go without a word"];
const SILENT: End = ["silence: it waits for more, or is busy", "waits for me"];
const RESET: End = ["a reset: it left words unread, or died", "broke off"];
// ANCHOR_END: signs

// ANCHOR: talk
/// Sends the pieces, listens, and judges.
fn talk(mut stream: &TcpStream, how: &How) -> &'static str {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let (begin, mut sent) = (Instant::now(), Ok(()));
    for (nth, piece) in pieces(how).iter().enumerate() {
        // Twenty million bytes, or a slow message, are told in a few lines.
        if nth < 4 {
            event("DO", format!("send {}", described(piece)));
        }
        sent = stream.write_all(piece);
        if sent.is_err() || begin.elapsed() > LONGEST {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    if let How::Deaf = how {
        return if sent.is_ok() { "takes it all" } else { "takes no more" };
    }
    if let How::HalfClosed | How::Cut | How::ShortFile = how {
        event("DO", "end my side");
        let _ = stream.shutdown(Shutdown::Write);
    }
    event("DO", "listen");
    let heard = hear(stream, PATIENCE);
    event("HEAR", told(&heard));
    let text = String::from_utf8_lossy(&heard.0);
    // Whoever breaks off in the middle of an answer has not answered.
    let sign = SIGNS.iter().find(|it| heard.1 != RESET && text.contains(it.0));
    sign.filter(|_| !text.is_empty()).map_or(heard.1[1], |it| it.1)
}
// ANCHOR_END: talk

// ANCHOR: hear
/// Listens until the server has nothing more to say.
fn hear(mut stream: &TcpStream, patience: Duration) -> (Vec<u8>, End) {
    let _ = stream.set_read_timeout(Some(patience));
    let (begin, mut bytes, mut chunk) = (Instant::now(), vec![], [0; 4096]);
    while begin.elapsed() < LONGEST && bytes.len() < MOST {
        match stream.read(&mut chunk) {
            Ok(0) => return (bytes, CLOSED),
            Ok(count) => bytes.extend(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => return (bytes, SILENT),
            Err(_) => return (bytes, RESET),
        }
    }
    (bytes, SILENT)
}

fn told((bytes, end): &(Vec<u8>, End)) -> String {
    format!("{}, then {}", described(bytes), end[0])
}

/// What bytes say; of several spaces, one is shown.
fn described(bytes: &[u8]) -> String {
    let mut squeezed = bytes.to_vec();
    squeezed.dedup_by(|one, other| *one == b' ' && *other == b' ');
    format!("{} bytes: \"{}\"", bytes.len(), shown(&squeezed))
}
// ANCHOR_END: hear

// ANCHOR: next
/// Comes again, as everybody else would.
fn next_client(peer: SocketAddr) -> &'static str {
    event("DO", "come again, as a friendly client");
    let connected = TcpStream::connect_timeout(&peer, NEXT_PATIENCE);
    let Ok(mut stream) = connected else { return "nobody gets in any more" };
    // A server that speaks first is only listened to.
    let _ = stream.set_read_timeout(Some(6 * PAUSE));
    if stream.peek(&mut [0]).is_err() {
        let _ = stream.write_all(b"hello\n");
        let _ = stream.shutdown(Shutdown::Write);
    }
    let heard = hear(&stream, NEXT_PATIENCE);
    event("HEAR", told(&heard));
    match heard {
        (bytes, SILENT) if bytes.is_empty() => "the next client waits in vain",
        (_, RESET) => "the next client was cut off",
        _ => "the next client was served",
    }
}
// ANCHOR_END: next

// ANCHOR: many
/// Fills the server with clients who stay; the last of them tells.
fn come(crowd: &mut Vec<TcpStream>, peer: SocketAddr, count: u8) -> String {
    while crowd.len() < count.into()
        && let Ok(stream) = TcpStream::connect_timeout(&peer, PATIENCE)
    {
        crowd.push(stream);
    }
    event("DO", format!("come {count} times: {} get in", crowd.len()));
    for mut stream in crowd.iter() {
        let _ = stream.write_all(b"hello\n");
    }
    let last = hear(&crowd[crowd.len() - 1], PATIENCE);
    event("HEAR", format!("as the last, {}", told(&last)));
    let a_moment = Duration::from_millis(1);
    let open = crowd.iter().filter(|it| hear(it, a_moment).1 == SILENT);
    format!("keeps {} of {count} connections open", open.count())
}

/// Resets one connection after the other.
fn break_off(crowd: &mut Vec<TcpStream>, peer: SocketAddr) -> String {
    event("DO", format!("come and break off, {RESETS} times"));
    crowd.clear();
    let mut count = 0;
    while count < RESETS
        && let Ok(stream) = TcpStream::connect_timeout(&peer, NEXT_PATIENCE)
    {
        // A close that lingers for no time is a reset.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        count += 1;
    }
    format!("bore {count} resets")
}
// ANCHOR_END: many
