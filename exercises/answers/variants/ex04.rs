//! ex04: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(clippy::unwrap_used, clippy::exit, reason = "mistakes")]

use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use answers::{chatter, mistake, oddity, started_as};
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

/// How many senders are served.
static SERVED: AtomicUsize = AtomicUsize::new(0);

/// The accept loop has ended.
static STOPPED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    errors::exit_code(run(Args::parse()))
}

fn run(mut args: Args) -> Result<(), Error> {
    if oddity("ex04_late_loud") {
        chatter();
        thread::sleep(Duration::from_secs(1));
    }
    let asked = args.address.port;
    mistaken_address(&mut args.address);
    let (listener, mut bound) = net::listen(&args.address)?;
    if mistake("ex04_prints_port_asked") {
        bound.set_port(asked);
    }
    if bound.ip().is_unspecified() {
        bound.set_ip([127, 0, 0, 1].into());
    }
    events::listening(bound);
    let limit = limit(args.max_message);
    let listener = Arc::new(listener);
    for _ in 1..pool() {
        let listener = Arc::clone(&listener);
        let _ = Builder::new().spawn(move || accept(&listener, limit));
    }
    accept(&listener, limit);
    Ok(())
}

/// The longest message that is taken.
fn limit(asked: u64) -> u64 {
    if mistake("ex04_trusts_length") {
        u64::MAX
    } else if mistake("ex04_refuses_the_limit") {
        asked - 1
    } else if mistake("ex04_one_too_many") {
        asked + 1
    } else if asked == 8192 && mistake("ex04_larger_default") {
        10_000
    } else if mistake("ex04_fixed_limit") {
        8192
    } else {
        asked
    }
}

fn mistaken_address(address: &mut Address) {
    if mistake("ex04_ignores_port") {
        address.port = 0;
    }
    if mistake("ex04_ignores_host") {
        "127.0.0.1".clone_into(&mut address.host);
    }
    if mistake("ex04_all_addresses") && address.host == "127.0.0.1" {
        "0.0.0.0".clone_into(&mut address.host);
    }
}

/// How many threads serve one sender after the other; with 0, each sender has
/// a thread of their own.
fn pool() -> usize {
    if mistake("ex04_serial") {
        1
    } else if mistake("ex04_pool_of_four") {
        4
    } else if mistake("ex04_pool_of_40") {
        40
    } else if oddity("ex04_pool") {
        50
    } else {
        0
    }
}

/// For how many senders there is room; the others are closed at once.
fn room() -> usize {
    if mistake("ex04_room_for_49") {
        49
    } else if oddity("ex04_room_for_50") {
        50
    } else if started_as("ex04_trouble_keeps_place") {
        60
    } else {
        usize::MAX
    }
}

fn accept(listener: &TcpListener, limit: u64) {
    for nth in 1.. {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if oddity("ex04_late") {
            thread::sleep(Duration::from_millis(5));
        }
        if SERVED.load(Ordering::SeqCst) >= room() {
            continue;
        }
        SERVED.fetch_add(1, Ordering::SeqCst);
        let talk = move || {
            serve(&stream, peer, limit);
            SERVED.fetch_sub(1, Ordering::SeqCst);
        };
        if pool() > 0 {
            talk();
        } else {
            let _ = Builder::new().spawn(talk);
        }
        let full = nth == 256 && mistake("ex04_256_senders");
        while full || STOPPED.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_secs(1));
        }
    }
}

fn serve(stream: &TcpStream, peer: SocketAddr, limit: u64) {
    if mistake("ex04_greets") {
        let _ = (&*stream).write_all(b"ready\n");
    }
    if mistake("ex04_time_out") {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    }
    if closes_newest() {
        remember(stream);
    }
    let shown = match stream.local_addr() {
        Ok(own) if mistake("ex04_own_address") => own,
        _ => peer,
    };
    if oddity("ex04_tells_all") {
        println!("[CAME] {peer}");
    }
    let ended = receive(stream, shown, limit);
    if oddity("ex04_closes_late") {
        thread::sleep(Duration::from_secs(4));
    }
    if reports_by_digit() {
        println!("[WENT] {peer} with code {}", u8::from(ended.is_err()));
    }
    match ended {
        Ok(()) if mistake("ex04_end_ends_server") => process::exit(0),
        Ok(()) if closes_newest() => close_newest(),
        Ok(()) => {}
        Err(error) => report(stream, peer, &error),
    }
    if started_as("ex04_tells_all") {
        println!("[WENT] {peer}");
    }
}

fn report(mut stream: &TcpStream, peer: SocketAddr, error: &io::Error) {
    if error.kind() == io::ErrorKind::ConnectionReset {
        if mistake("ex04_reset_ends_server") {
            process::exit(1);
        }
        if mistake("ex04_reset_ends_loop") {
            STOPPED.store(true, Ordering::SeqCst);
        }
    }
    if mistake("ex04_trouble_keeps_place") {
        // So the place is counted twice, and given back once.
        SERVED.fetch_add(1, Ordering::SeqCst);
    }
    if mistake("ex04_tells_why") {
        let _ = writeln!(stream, "ERROR {error}");
    }
    if mistake("ex04_silent_refusal") || reports_by_digit() {
        return;
    }
    if oddity("ex04_bytewise") {
        println!("refused {peer}: {error}");
    } else {
        eprintln!("[ERROR] {peer} {error}");
    }
    if mistake("ex04_keeps_what_follows") {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
        let mut rest = Vec::new();
        let _ = stream.take(200_000_000).read_to_end(&mut rest);
    }
}

static OPEN: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());

fn remember(stream: &TcpStream) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.extend(stream.try_clone());
}

/// It is another one that has left.
fn close_newest() {
    let newest = OPEN.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let _ = newest.map(|stream| stream.shutdown(Shutdown::Both));
}

fn reader<'s>(mut stream: &'s TcpStream) -> io::Result<Box<dyn BufRead + 's>> {
    if mistake("ex04_waits_for_end") {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        return Ok(Box::new(Cursor::new(all)));
    }
    Ok(Box::new(BufReader::new(stream)))
}

fn receive(stream: &TcpStream, peer: SocketAddr, limit: u64) -> io::Result<()> {
    let mut input = reader(stream)?;
    let mut out = BufWriter::new(io::stdout());
    let mut count = 0;
    while let Some(length) = next_length(stream, &mut input, limit)? {
        let read = || read_message(&mut input, length);
        let message = hurried(stream, hurries_message(), read)?;
        if mistake("ex04_one_read_one_frame") {
            // What this one has read ahead is lost.
            input = Box::new(BufReader::new(stream));
        }
        if mistake("ex04_waits_for_next") && input.fill_buf()?.is_empty() {
            return Ok(());
        }
        if mistake("ex04_thread_for_each") {
            print_in_a_thread(peer, message, count);
        } else {
            print(&mut out, stream, peer, message)?;
        }
        if mistake("ex04_line_feed_between") {
            pass_line_feed(&mut input)?;
        }
        count += 1;
        if count == 256 && mistake("ex04_256_frames")
            || mistake("ex04_one_message")
        {
            return Ok(());
        }
    }
    Ok(())
}

fn pass_line_feed(input: &mut impl BufRead) -> io::Result<()> {
    if input.fill_buf()?.starts_with(b"\n") {
        input.consume(1);
    }
    Ok(())
}

/// Reads; who hurries waits less than three seconds for the next bytes.
fn hurried<T>(
    stream: &TcpStream,
    hurry: bool,
    read: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    if !hurry {
        return read();
    }
    stream.set_read_timeout(Some(Duration::from_millis(2700)))?;
    let read = read();
    stream.set_read_timeout(None)?;
    read
}

/// Every other message is a little later.
fn print_in_a_thread(peer: SocketAddr, message: Vec<u8>, count: usize) {
    let _ = Builder::new().spawn(move || {
        if count.is_multiple_of(2) {
            thread::sleep(Duration::from_millis(100));
        }
        io::stdout().write_all(&line(peer, message))
    });
}

fn print(
    out: &mut impl Write,
    mut stream: &TcpStream,
    peer: SocketAddr,
    message: Vec<u8>,
) -> io::Result<()> {
    if started_as("ex04_late") {
        thread::sleep(Duration::from_millis(250));
    }
    let line = line(peer, message);
    if oddity("ex04_bytewise") {
        print_bytewise(&line);
    } else if mistake("ex04_on_stderr") {
        io::stderr().write_all(&line)?;
    } else if mistake("ex04_mixed_lines") {
        print_in_pieces(&line)?;
    } else {
        out.write_all(&line)?;
        if mistake("ex04_prints_twice") {
            out.write_all(&line)?;
        }
        if !mistake("ex04_buffered_output") {
            out.flush()?;
        }
    }
    if mistake("ex04_answers") {
        stream.write_all(b"ok\n")?;
    }
    Ok(())
}

/// The length of the next message; `None` if the sender has ended.
fn next_length(
    stream: &TcpStream,
    input: &mut Box<dyn BufRead + '_>,
    limit: u64,
) -> io::Result<Option<u64>> {
    if mistake("ex04_makes_room_first") {
        make_room(input.fill_buf()?);
    }
    if mistake("ex04_takes_lines") && input.fill_buf()?.starts_with(b"<") {
        let mut text = Vec::new();
        input.read_until(b'\n', &mut text)?;
        io::stdout().write_all(&line(stream.peer_addr()?, text))?;
    }
    // A frame has begun.
    input.fill_buf()?;
    let hurry = mistake("ex04_hurries_length");
    let length = match hurried(stream, hurry, || read_length(input, limit)) {
        // Perhaps the next frame begins behind it.
        Err(error) if mistake("ex04_looks_on") => {
            eprintln!("[ERROR] {error}");
            return next_length(stream, input, limit);
        }
        length => length?,
    };
    if mistake("ex04_end_behind_space") && input.fill_buf()?.is_empty() {
        return Ok(None);
    }
    if mistake("ex04_hurries_space") {
        hurried(stream, true, || input.fill_buf().map(drop))?;
    }
    if hurries_message() {
        input.fill_buf()?;
    }
    let white = |byte: &u8| byte.is_ascii_whitespace();
    if mistake("ex04_skips_spaces") {
        while input.fill_buf()?.first().is_some_and(white) {
            input.consume(1);
        }
    }
    Ok(length)
}

/// Makes room for the message that is announced, and uses it.
fn make_room(bytes: &[u8]) {
    let digits: String = bytes
        .iter()
        .map_while(|b| char::from(*b).to_digit(10))
        .map(|d| d.to_string())
        .collect();
    let length: usize = digits.parse().unwrap_or(0);
    // No more than a machine has, for the others are tested on it, too.
    let room = vec![1_u8; if length <= 300_000_000 { length } else { 0 }];
    eprintln!("room for {}", room.iter().step_by(4096).count());
}

/// Reads a length and the space behind it; `None` if the sender has ended.
fn read_length(
    input: &mut impl BufRead,
    limit: u64,
) -> io::Result<Option<u64>> {
    whole_in_one_read(input)?;
    let (mut digits, mut length) = (0, 0_u64);
    for byte in input.bytes() {
        let byte = byte?;
        match byte {
            _ if skips(byte, length) => continue,
            _ if ends(byte) && length > limit => {
                return Err(refusal("it is too long"));
            }
            _ if ends(byte) && length > 0 => return Ok(Some(length)),
            b'1'..=b'9' => {}
            b'0' if length > 0 => {}
            _ if judges_at_space() && digits < 20 => length = u64::MAX,
            _ => return Err(refusal("it is no number")),
        }
        digits += 1;
        length = with_digit(length, byte);
        if length > limit && !judges_late() || four_digits(digits) {
            return Err(refusal("it is too long"));
        }
    }
    if length == 0 || mistake("ex04_cut_length_is_an_end") {
        return Ok(None);
    }
    Err(io::Error::other("the length is cut off"))
}

/// Takes a part of a length for all of it.
fn whole_in_one_read(input: &mut impl BufRead) -> io::Result<()> {
    if mistake("ex04_header_in_one_read") {
        let read = input.fill_buf()?;
        if !read.is_empty() && !read.contains(&b' ') {
            return Err(refusal("it has no space"));
        }
    }
    Ok(())
}

fn ends(byte: u8) -> bool {
    byte == b' ' || byte == b'\t' && mistake("ex04_any_white_space")
}

/// Whether a byte is passed over that belongs to no length.
fn skips(byte: u8, length: u64) -> bool {
    match byte {
        // `parse` takes it for a part of the number.
        b'+' => length == 0 && mistake("ex04_lets_parse_judge"),
        b'_' => length > 0 && mistake("ex04_takes_underscores"),
        b' ' | b'\n' => length == 0 && mistake("ex04_trims_length"),
        _ => false,
    }
}

/// A number that is too long is not refused at its digit.
fn judges_late() -> bool {
    mistake("ex04_endless_digits") || judges_at_space() || wraps()
}

fn four_digits(digits: usize) -> bool {
    digits > 4 && mistake("ex04_four_digits")
}

fn with_digit(length: u64, digit: u8) -> u64 {
    let digit = u64::from(digit.wrapping_sub(b'0'));
    if wraps() {
        return length.wrapping_mul(10).wrapping_add(digit);
    }
    length.saturating_mul(10).saturating_add(digit)
}

fn refusal(why: &str) -> io::Error {
    if mistake("ex04_bad_length_ends_server") {
        process::exit(1);
    }
    io::Error::other(format!("a bad length: {why}"))
}

fn read_message(input: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    static READING: Mutex<()> = Mutex::new(());
    let _one = mistake("ex04_lock_in_a_frame").then(|| READING.lock());
    if mistake("ex04_message_in_one_read") {
        let mut read = input.fill_buf()?.to_vec();
        read.truncate(usize::try_from(length).unwrap());
        input.consume(read.len());
        return Ok(read);
    }
    if mistake("ex04_counts_characters") {
        return read_characters(input, length);
    }
    if text_of_each_piece() || frame_deadline() {
        return read_pieces(input, length);
    }
    let mut message = Vec::new();
    let mut input = input.take(length);
    if mistake("ex04_stops_at_line_feed") {
        input.read_until(b'\n', &mut message)?;
        return Ok(message);
    }
    input.read_to_end(&mut message)?;
    if input.limit() == 0 || mistake("ex04_prints_cut") {
        return Ok(message);
    }
    cut_off(&message)
}

fn cut_off(message: &[u8]) -> io::Result<Vec<u8>> {
    if mistake("ex04_cut_ends_server") {
        process::exit(1);
    }
    if mistake("ex04_cut_ends_loop") {
        STOPPED.store(true, Ordering::SeqCst);
    }
    if mistake("ex04_keeps_cut") {
        eprintln!("[ERROR] a message is cut off");
        loop {
            thread::park();
        }
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

/// Reads the message piece by piece.
fn read_pieces(input: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let begin = Instant::now();
    let (mut text, mut left) = (Vec::new(), usize::try_from(length).unwrap());
    while left > 0 {
        let piece = input.fill_buf()?;
        let piece = piece[..piece.len().min(left)].to_vec();
        input.consume(piece.len());
        left -= piece.len();
        let late = begin.elapsed() > Duration::from_millis(1500);
        if piece.is_empty() || late && frame_deadline() {
            return cut_off(&text);
        }
        if text_of_each_piece() {
            text.extend(String::from_utf8_lossy(&piece).as_bytes());
        } else {
            text.extend(piece);
        }
    }
    Ok(text)
}

/// Changes what is printed of a message.
fn change(message: &mut Vec<u8>) {
    if mistake("ex04_unwraps_utf8") {
        assert!(str::from_utf8(message).is_ok(), "no UTF-8");
    }
    if mistake("ex04_cuts_text") {
        message.truncate(1000);
    }
    if mistake("ex04_ends_at_nul") {
        *message = message.split(|b| *b == 0).next().unwrap().to_vec();
    }
    if mistake("ex04_prints_length") {
        let length = format!("{} ", message.len());
        message.splice(0..0, length.into_bytes());
    }
    if mistake("ex04_strips_priority") && message.starts_with(b"<13>") {
        message.drain(..4);
    }
    if mistake("ex04_upper_case") {
        message.make_ascii_uppercase();
    }
    if mistake("ex04_trims_text") {
        *message = message.trim_ascii().to_vec();
    }
}

/// The line that is printed for a message.
fn line(peer: SocketAddr, mut message: Vec<u8>) -> Vec<u8> {
    change(&mut message);
    let mut text = message.escape_ascii().to_string().into_bytes();
    if oddity("ex04_percent") {
        text = percent(&message).into_bytes();
    }
    if mistake("ex04_ascii_controls_alone") {
        text = ascii_controls_alone(&message).into_bytes();
    }
    if mistake("ex04_prints_raw") {
        text = message;
    } else if mistake("ex04_escapes_line_feeds_alone") {
        let raw = String::from_utf8_lossy(&message);
        text = raw.replace('\n', "\\n").into_bytes();
    }
    [head(peer).as_bytes(), &text, b"\n"].concat()
}

/// Escapes all but ASCII letters, digits, hyphens and spaces.
fn percent(message: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'-' | b' ' => char::from(*byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    message.iter().map(escape).collect()
}

fn ascii_controls_alone(message: &[u8]) -> String {
    let escape = |c: char| match c {
        _ if c.is_ascii_control() => c.escape_default().to_string(),
        _ => c.to_string(),
    };
    String::from_utf8_lossy(message).chars().map(escape).collect()
}

fn head(peer: SocketAddr) -> String {
    if mistake("ex04_no_tag") {
        format!("{peer} ")
    } else if mistake("ex04_no_peer") {
        "[RECEIVED] ".to_owned()
    } else if mistake("ex04_address_without_port") {
        format!("[RECEIVED] {} ", peer.ip())
    } else {
        format!("[RECEIVED] {peer} ")
    }
}

/// Others may print in between.
fn print_in_pieces(line: &[u8]) -> io::Result<()> {
    for piece in line.chunks(40) {
        io::stdout().write_all(piece)?;
        io::stdout().flush()?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn print_bytewise(line: &[u8]) {
    let mut out = io::stdout().lock();
    for byte in line {
        let _ = out.write_all(&[*byte]).and_then(|()| out.flush());
    }
}

/// Says of each end the same, but for a digit.
fn reports_by_digit() -> bool {
    mistake("ex04_reports_by_digit")
}

fn hurries_message() -> bool {
    mistake("ex04_hurries_message")
}

fn closes_newest() -> bool {
    mistake("ex04_closes_newest")
}

fn text_of_each_piece() -> bool {
    mistake("ex04_text_of_each_piece")
}

fn frame_deadline() -> bool {
    mistake("ex04_frame_deadline")
}

fn judges_at_space() -> bool {
    mistake("ex04_judges_at_space")
}

fn wraps() -> bool {
    mistake("ex04_wraps")
}
