//! ex04: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(clippy::unwrap_used, clippy::exit, reason = "mistakes")]

use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::Duration;

use answers::{chatter, mistake, oddity};
use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::flags::Address;
use first_socket::{events, net};

/// Prints the log messages of many senders
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The longest message that is taken
    #[arg(long, default_value_t = 8192)]
    max_message: u64,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    if oddity("ex04_late_loud") {
        chatter();
        thread::sleep(Duration::from_secs(1));
    }
    let (listener, bound) = net::listen(&args.address)?;
    events::listening(bound);
    let limit = if mistake("ex04_trusts_length") {
        u64::MAX
    } else if mistake("ex04_refuses_the_limit") {
        args.max_message - 1
    } else {
        args.max_message
    };
    let listener = Arc::new(listener);
    for _ in 1..pool() {
        let listener = Arc::clone(&listener);
        let _ = Builder::new().spawn(move || accept(&listener, limit));
    }
    accept(&listener, limit);
    Ok(())
}

/// How many threads serve one sender after the other; with 0, each sender has
/// a thread of their own.
fn pool() -> usize {
    if mistake("ex04_serial") {
        1
    } else if mistake("ex04_pool_of_four") {
        4
    } else if oddity("ex04_pool") {
        200
    } else {
        0
    }
}

fn accept(listener: &TcpListener, limit: u64) {
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let talk = move || {
            let Err(error) = receive(&stream, peer, limit) else { return };
            if oddity("ex04_bytewise") {
                println!("[ERROR] {peer} {error}");
            } else {
                eprintln!("[ERROR] {peer} {error}");
            }
        };
        if pool() > 0 {
            talk();
        } else {
            let _ = Builder::new().spawn(talk);
        }
    }
}

fn receive(
    mut stream: &TcpStream,
    peer: SocketAddr,
    limit: u64,
) -> io::Result<()> {
    let mut input: Box<dyn BufRead> = Box::new(BufReader::new(stream));
    if mistake("ex04_waits_for_end") {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        input = Box::new(Cursor::new(all));
    }
    let mut out = BufWriter::new(io::stdout());
    while let Some(length) = read_length(&mut input, limit)? {
        let message = read_message(&mut input, length)?;
        if mistake("ex04_one_read_one_frame") {
            // What this one has read ahead is lost.
            input = Box::new(BufReader::new(stream));
        }
        let line = line(peer, message);
        if oddity("ex04_bytewise") {
            print_bytewise(&line);
            continue;
        }
        out.write_all(&line)?;
        if !mistake("ex04_buffered_output") {
            out.flush()?;
        }
    }
    Ok(())
}

/// Reads a length and the space behind it; `None` if the sender has ended.
fn read_length(
    input: &mut impl BufRead,
    limit: u64,
) -> io::Result<Option<u64>> {
    if mistake("ex04_header_in_one_read") {
        let read = input.fill_buf()?;
        if !read.is_empty() && !read.contains(&b' ') {
            return Err(refusal("it has no space"));
        }
    }
    let mut length: u64 = 0;
    for byte in input.bytes() {
        let byte = byte?;
        match byte {
            b' ' if length > limit => return Err(refusal("it is too long")),
            b' ' if length > 0 => return Ok(Some(length)),
            // `parse` takes it for a part of the number.
            b'+' if length == 0 && mistake("ex04_lets_parse_judge") => continue,
            b'1'..=b'9' => {}
            b'0' if length > 0 => {}
            _ => return Err(refusal("it is no number")),
        }
        length = length.saturating_mul(10);
        length = length.saturating_add(u64::from(byte - b'0'));
        if length > limit && !mistake("ex04_endless_digits") {
            return Err(refusal("it is too long"));
        }
    }
    let cut = Err(io::Error::other("the length is cut off"));
    if length == 0 { Ok(None) } else { cut }
}

fn refusal(why: &str) -> io::Error {
    if mistake("ex04_bad_length_ends_server") {
        process::exit(1);
    }
    io::Error::other(format!("a bad length: {why}"))
}

fn read_message(input: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    if mistake("ex04_message_in_one_read") {
        let mut read = input.fill_buf()?.to_vec();
        read.truncate(usize::try_from(length).unwrap());
        input.consume(read.len());
        return Ok(read);
    }
    if mistake("ex04_counts_characters") {
        return read_characters(input, length);
    }
    let mut input = input.take(length);
    if mistake("ex04_stops_at_line_feed") {
        input.read_until(b'\n', &mut message)?;
        return Ok(message);
    }
    input.read_to_end(&mut message)?;
    if input.limit() == 0 || mistake("ex04_prints_cut") {
        return Ok(message);
    }
    if mistake("ex04_cut_ends_server") {
        process::exit(1);
    }
    let shown = message.escape_ascii();
    Err(io::Error::other(format!("a message is cut off: {shown}")))
}

/// Reads as many characters as the length says.
fn read_characters(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let (mut message, mut characters) = (Vec::new(), 0);
    while characters < length {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        message.push(byte[0]);
        let text = String::from_utf8_lossy(&message);
        characters = text.chars().count() as u64;
    }
    Ok(message)
}

/// The line that is printed for a message.
fn line(peer: SocketAddr, mut message: Vec<u8>) -> Vec<u8> {
    if mistake("ex04_unwraps_utf8") {
        message = String::from_utf8(message).unwrap().into_bytes();
    }
    if oddity("ex04_pool") {
        // The beginning of a long message must do.
        message.truncate(60);
    }
    let mut text = message.escape_ascii().to_string().into_bytes();
    if mistake("ex04_prints_raw") {
        text = message;
    }
    [format!("[RECEIVED] {peer} ").as_bytes(), &text, b"\n"].concat()
}

fn print_bytewise(line: &[u8]) {
    let mut out = io::stdout().lock();
    for byte in line {
        let _ = out.write_all(&[*byte]).and_then(|()| out.flush());
    }
}
