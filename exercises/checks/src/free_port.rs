//! ex01: the first free port. Only `bind` says whether a port is free.

use std::io::ErrorKind;
use std::net::{
    Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::ops::Range;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use assert_cmd::assert::OutputAssertExt;
use harness::{Deadline, hold_port};
use predicates::prelude::*;
use predicates::str::contains;
use socket2::{Domain, Socket, Type};

use crate::finding::Finding;
use crate::ladder::{Exercise, Rung};
use crate::ports::{
    BLOCK, Block, Row, in_turn, is_free, release, turn, without_children,
};
use crate::start::nowhere_else;
#[cfg(target_os = "linux")]
use crate::stepper::between_calls;
use crate::trial::{ANSWER_TIME, LISTENING, START_TIME, Server, Trial};

/// Listen on the first free port at or after P.
pub static FREE_PORT: Exercise = Exercise {
    name: "ex01",
    folder: "01_free_port",
    title: "the first free port",
    rungs: &[
        Rung { name: "it starts", try_it: it_starts },
        Rung { name: "taken ports are passed over", try_it: taken },
        Rung { name: "all taken: exit code 1 and why", try_it: all_taken },
        Rung { name: "N tries, not one more or less", try_it: tries },
        Rung { name: "no port after 65535", try_it: last_port },
        Rung { name: "nobody answers, and still taken", try_it: silent },
        Rung { name: "bind is the only look", try_it: neighbour },
    ],
};

/// How many programs look for a port, one after the other, while a neighbour
/// lies in wait.
const SEEKERS: usize = 200;

/// No further one is started after this time: a program may start slowly.
const SEEK_TIME: Duration = Duration::from_secs(1);

/// A seeker counts when the neighbour has tried so often meanwhile.
const LOOKS: usize = 20;

/// How long we look whether a program keeps listening: for a first time, and
/// so often once more.
const STAY_TIME: Duration = Duration::from_millis(300);
const LONGER: Duration = Duration::from_secs(1);
const LOOKS_LATER: usize = 3;

/// A client waits so long where nobody accepts: its queue may be full.
const QUEUE_TIME: Duration = Duration::from_millis(300);

/// What a program does that is not told otherwise.
const DEFAULT_FROM: u16 = 8080;
const DEFAULT_TRIES: u16 = 10;

/// How long a program may look along a long row of ports.
const ROW_TIME: Duration = Duration::from_secs(3);

/// Another program may take a port that all know, at just that moment.
const RETRIES: usize = 3;
const RETRY_TIME: Duration = Duration::from_millis(20);

fn from(port: u16, tries: u16) -> [String; 4] {
    let words = ["--from", &port.to_string(), "--tries", &tries.to_string()];
    words.map(ToOwned::to_owned)
}

fn start<'t>(
    trial: &'t Trial,
    args: &[impl AsRef<str>],
) -> Result<Server<'t>, Finding> {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    match &*args {
        [] => trial.note("started without flags"),
        _ => trial.note(format!("started with {}", args.join(" "))),
    }
    trial.start(&args)
}

/// Starts the program and compares the port that it takes.
fn takes(
    trial: &Trial,
    (port, tries): (u16, u16),
    expected: u16,
) -> Result<Server<'_>, Finding> {
    let server = start(trial, &from(port, tries))?;
    has_port(&server, (port, tries), expected)?;
    Ok(server)
}

fn has_port(
    server: &Server<'_>,
    range: (u16, u16),
    expected: u16,
) -> Result<(), Finding> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, expected));
    if server.address == address {
        return Ok(());
    }
    Err(Finding::new(
        format!("[LISTENING] {}", server.address),
        format!("[LISTENING] {address}"),
        why_other(server.address, range, expected),
    ))
}

/// What it means that this address was announced.
fn why_other(
    address: SocketAddr,
    (from, tries): (u16, u16),
    expected: u16,
) -> &'static str {
    let behind = u32::from(from) + u32::from(tries);
    let port = address.port();
    if address.ip() != Ipv4Addr::LOCALHOST {
        "this is another address than 127.0.0.1."
    } else if (from..expected).contains(&port) {
        "this port belongs to another program. Perhaps the program prints the \
         port that it asked for first, and not the one that it got: \
         TcpListener::local_addr returns it."
    } else if port > expected && u32::from(port) < behind {
        "a free port was passed over. After a taken port the next one is \
         tried, in steps of one."
    } else {
        "this port is none of P to P+N-1. Perhaps the system was asked for any \
         port: it gives one for port 0."
    }
}

fn it_starts(trial: &Trial) -> Result<(), Finding> {
    by_default(trial)?;
    let block = Block::take()?;
    let port = block.port(1);
    let server = takes(trial, (port, DEFAULT_TRIES), port)?;

    server.connect("A")?;
    nowhere_else(&server)?;
    still_listens(&server, STAY_TIME)?;
    no_other(&block, 0..1)?;
    no_other(&block, 2..2 + DEFAULT_TRIES)
}

/// Starts the program without flags, and compares the port that it takes with
/// the one that we could take just before.
fn by_default(trial: &Trial) -> Result<(), Finding> {
    let _turn = turn(trial, DEFAULT_FROM)?;
    let ports = || DEFAULT_FROM..DEFAULT_FROM + DEFAULT_TRIES;
    let binds = |port: &u16| {
        let address = (Ipv4Addr::LOCALHOST, *port);
        without_children(|| TcpListener::bind(address)).is_ok()
    };
    let mut retries = RETRIES;
    loop {
        // The two differ where an old connection is remembered.
        let free = [ports().find(binds), ports().find(|p| is_free(*p))];
        let [Some(first), Some(_)] = free else { return Ok(()) };
        let server = start(trial, &[""; 0])?;
        let port = server.address.port();
        if free.contains(&Some(port)) {
            server.process.kill();
            return Ok(());
        }
        retries -= 1;
        if retries == 0 {
            let range = (DEFAULT_FROM, DEFAULT_TRIES);
            return has_port(&server, range, first).map_err(|finding| {
                finding.meaning("without --from, P is 8080.")
            });
        }
        server.process.kill();
    }
}

/// A program that keeps listening is there after some time. Nobody need accept
/// the client: its queue may be full.
fn still_listens(server: &Server<'_>, time: Duration) -> Result<(), Finding> {
    let expected = "it keeps listening until it is stopped";
    let ended = |time| server.process.wait(Deadline::after(time));
    let gone = |status| {
        let came = format!("the program ended: {status}");
        Err(Finding::new(came, expected, "").harm(
            "perhaps the program ends after the first client, or some time \
             after it has said where it listens.",
        ))
    };
    if let Some(status) = ended(time) {
        return gone(status);
    }
    server.trial.note(format!("{time:?} later somebody connects"));
    match TcpStream::connect_timeout(&server.address, QUEUE_TIME) {
        Err(error) if error.kind() != ErrorKind::TimedOut => {
            // A listener is gone a moment before its program is.
            ended(ANSWER_TIME).map_or_else(|| Err(listener_gone(&error)), gone)
        }
        _ => Ok(()),
    }
}

fn listener_gone(error: &std::io::Error) -> Finding {
    Finding::new(
        format!("no connection: {error}"),
        "it keeps listening until it is stopped",
        "the listener is gone, and the program runs. Perhaps it was dropped: \
         the listener is the port.",
    )
}

/// None of these ports of the block belongs to the program.
fn no_other(block: &Block, ports: Range<u16>) -> Result<(), Finding> {
    let taken = ports.map(|nth| block.port(nth)).find(|port| !is_free(*port));
    taken.map_or(Ok(()), |port| {
        Err(Finding::new(
            format!("port {port} is taken, too"),
            "the program holds the one port that it has announced",
            "perhaps the loop over the ports goes on after the first success, \
             and keeps what it gets.",
        ))
    })
}

fn taken(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let _others = block.hold(0..3)?;
    let (from, to) = (block.port(0), block.port(2));
    trial.note(format!("other programs listen on {from} to {to}"));

    let server = takes(trial, (from, DEFAULT_TRIES), block.port(3));
    let server = server.map_err(|finding| {
        if finding.came.starts_with(LISTENING) {
            return finding;
        }
        finding.meaning(
            "P is taken, and P+3 is free. Perhaps the program gives up at the \
             first error of bind: after a taken port the next one is tried.",
        )
    })?;

    server.connect("A")?;
    no_other(&block, 4..DEFAULT_TRIES + 1)?;
    for _ in 0..LOOKS_LATER {
        still_listens(&server, LONGER)?;
    }
    Ok(())
}

/// Judges a program that had no port to take.
fn gave_up(ended: &Output) -> Result<(), Finding> {
    let stdout = String::from_utf8_lossy(&ended.stdout);
    let came = format!("{}, stdout {stdout:?}", ended.status);
    let as_asked = || {
        let ended = ended.clone().assert().try_code(1).ok()?;
        let ended = ended.try_stdout(contains(LISTENING).not()).ok()?;
        ended.try_stderr(predicate::function(has_own_words)).ok()
    };
    as_asked().map(drop).ok_or_else(|| {
        Finding::new(
            came,
            "exit code 1, no [LISTENING], and on stderr why, in your own words",
            why_not_as_asked(ended),
        )
    })
}

fn why_not_as_asked(ended: &Output) -> &'static str {
    let says = |word: &str| contains(word).eval(&*text(&ended.stderr));
    match ended.status.code() {
        Some(1) if text(&ended.stdout).contains(LISTENING) => {
            "the program says that it listens, and does not. That line comes \
             when a port is got."
        }
        Some(1) if ended.stderr.is_empty() => {
            "the code is right, but nothing stands on stderr: eprintln! writes \
             there, println! to stdout."
        }
        Some(1) => {
            "the code is right, but the words on stderr are not yours: they \
             are those of the language. Perhaps main returns an io::Error, \
             which is then printed with {:?}. Say which ports, and why not."
        }
        _ if says("panicked at") => {
            "the program panicked. Return the failure from run instead, and \
             it reaches errors::exit_code."
        }
        Some(0) => {
            "0 is the code of success. Perhaps main returns as if all were \
             well: return the failure from run, and it reaches \
             errors::exit_code."
        }
        _ => "the failure has to reach errors::exit_code, and nothing else.",
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Whether there is more than what a language prints by itself.
fn has_own_words(stderr: &str) -> bool {
    const OTHERS: [&str; 2] = ["panicked at", "Traceback (most recent call"];
    /// `Error: Os { code: 98, kind: AddrInUse, … }`, `Error: AddrInUse`.
    const DEBUG: [&str; 5] = ["Error", "Io", "Os", "Kind", "AddrInUse"];
    if OTHERS.iter().any(|words| stderr.contains(words)) {
        return false;
    }
    let mut rest = stderr.to_owned();
    while let Some(begin) = rest.find("Os {") {
        let end = rest[begin..].find('}').map_or(rest.len(), |n| begin + n + 1);
        rest.replace_range(begin..end, " ");
    }
    rest.split(|letter: char| !letter.is_alphabetic())
        .any(|word| word.len() > 1 && !DEBUG.contains(&word))
}

/// Runs the program where it finds no port.
fn finds_nothing(
    trial: &Trial,
    args: &[impl AsRef<str>],
) -> Result<(), Finding> {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    trial.note(format!("started with {}", args.join(" ")));
    gave_up(&trial.run(&args)?)
}

fn all_taken(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let _others = block.hold(0..8)?;
    let (first, to) = (block.port(0), block.port(7));
    trial.note(format!("other programs listen on {first} to {to}"));

    finds_nothing(trial, &from(first, 3))
}

/// Another explanation for a finding about a port that was taken, or not.
fn if_seen(
    word: &'static str,
    means: &'static str,
) -> impl Fn(Finding) -> Finding {
    move |finding| {
        if finding.came.contains(word) {
            return finding.meaning(means);
        }
        finding
    }
}

fn tries(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let mut others = block.hold(0..3)?;
    let (first, to) = (block.port(0), block.port(2));
    trial.note(format!("other programs listen on {first} to {to}"));
    let means = "one port too many is tried: N tries from P end at P+N-1.";
    finds_nothing(trial, &from(first, 3)).map_err(if_seen(LISTENING, means))?;

    release(others.pop(), to);
    trial.note(format!("port {to} is free again"));
    let means = "one port too few is tried: N tries from P end at P+N-1.";
    takes(trial, (first, 3), to).map_err(if_seen("ended", means))?;
    trial.forget();
    release(others, first);
    takes(trial, (first, 1), first)?;
    trial.forget();
    release((), first);
    let means = "perhaps N is kept in a type that is too small for it.";
    // More than half of all numbers that a u16 has: first is below 32,000.
    takes(trial, (first, u16::MAX - first), first)
        .map_err(if_seen("ended", means))?;
    trial.forget();
    ten_tries(trial)?;
    trial.forget();
    a_long_row(trial)
}

/// Tries far more ports than ten, and finds the last.
fn a_long_row(trial: &Trial) -> Result<(), Finding> {
    // Each holds many sockets: one after the other.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let row = Row::take()?;
    let (first, free) = (row.first(), row.free());
    trial.note(format!("others have {first} to {}, not {free}", free - 1));
    let range = (first, free - first + 1);
    let args = from(range.0, range.1);
    trial.note(format!("started with {}", args.join(" ")));
    let process = trial.spawn(&args.each_ref().map(String::as_str))?;
    let until = Deadline::after(ROW_TIME);
    let server = trial.await_listening(Arc::clone(&process), until);
    // Whoever is slow is still at it.
    if server.is_err() && process.status().is_none() {
        return Ok(());
    }
    server.and_then(|it| has_port(&it, range, free)).map_err(|finding| {
        finding.meaning(
            "perhaps the program has a limit of its own for N: all N ports are \
             tried.",
        )
    })
}

/// Without `--tries`, N is 10.
fn ten_tries(trial: &Trial) -> Result<(), Finding> {
    let means = "without --tries, N is 10.";
    let block = Block::take()?;
    let mut others = block.hold(0..DEFAULT_TRIES)?;
    let (first, last) = (block.port(0), block.port(DEFAULT_TRIES - 1));
    trial.note(format!("other programs listen on {first} to {last}"));
    let args = ["--from", &first.to_string()];
    finds_nothing(trial, &args).map_err(|finding| finding.meaning(means))?;

    release(others.pop(), last);
    trial.note(format!("port {last} is free again"));
    start(trial, &args)
        .and_then(|it| has_port(&it, (first, DEFAULT_TRIES), last))
        .map_err(|finding| finding.meaning(means))
}

fn last_port(trial: &Trial) -> Result<(), Finding> {
    let last = (Ipv4Addr::LOCALHOST, u16::MAX);
    let _turn = turn(trial, u16::MAX)?;
    let other = in_turn(trial, u16::MAX, || TcpListener::bind(last))?;
    trial.note("another program listens on port 65535");
    let means = "behind 65535 the program began again at 0, where the system \
                 picks any port: perhaps a sum that does not fit into a u16.";
    finds_nothing(trial, &from(u16::MAX, DEFAULT_TRIES))
        .map_err(if_seen(LISTENING, means))
        .map_err(if_seen(
            "exit status: 101",
            "the program panicked behind 65535: perhaps a sum does not fit \
             into a u16.",
        ))?;

    release(other, u16::MAX);
    trial.note("port 65535 is free again");
    let taken = takes_the_last(trial);
    // The next check takes its turn with this port.
    trial.forget();
    taken.map_err(|finding| {
        finding.meaning(
            "65535 was free, and is a port like others: the range ends behind \
             it.",
        )
    })
}

/// Another program may have the port for a moment: then it is tried again.
fn takes_the_last(trial: &Trial) -> Result<(), Finding> {
    let until = Deadline::after(ANSWER_TIME);
    let mut failures = 0;
    loop {
        match takes(trial, (u16::MAX, DEFAULT_TRIES), u16::MAX) {
            Err(_) if failures < RETRIES && !until.is_over() => {
                failures += usize::from(is_free(u16::MAX));
                thread::sleep(RETRY_TIME);
            }
            ended => return ended.map(drop),
        }
    }
}

fn silent(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let (first, second) = (block.port(0), block.port(1));
    let _other = hold_port(first)
        .map_err(|error| Finding::of_machine("a port is taken", &error))?;
    trial.note(format!(
        "another program has bound {first}: it is not listening"
    ));
    let means = "perhaps the program connects to see whether a port is taken. \
                 Where nobody answers, the port may still belong to somebody: \
                 only bind knows.";

    let args = from(first, 10);
    trial.note(format!("started with {}", args.join(" ")));
    let process = trial.spawn(&args.each_ref().map(String::as_str))?;
    let until = Deadline::after(START_TIME);
    let server = trial
        .await_listening(process, until)
        .map_err(|finding| finding.meaning(means))?;
    has_port(&server, (first, DEFAULT_TRIES), second)
}

/// A port of this number is in use for something else: at another address, or
/// for UDP. It is free.
fn elsewhere(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let port = block.port(0);
    // Not every machine has the other addresses.
    let _v4 = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).ok();
    let _v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok();
    let _udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok();
    trial.note(format!("others use {port} at 127.0.0.2, at ::1, and for UDP"));
    let means = "at 127.0.0.1 and for TCP the port is free. Perhaps the \
                 program looks elsewhere: at a list of ports, at UDP, at \
                 another address, or at all of them. Only bind knows.";
    takes(trial, (port, DEFAULT_TRIES), port)
        .map_err(|finding| finding.meaning(means))?;
    trial.forget();
    Ok(())
}

/// A neighbour takes port P whenever it can. Whoever looks first finds
/// something else when binding than when looking.
fn neighbour(trial: &Trial) -> Result<(), Finding> {
    elsewhere(trial)?;
    let block = Block::take()?;
    let port = block.port(0);
    trial.note(format!("a neighbour takes {port} as soon as it can"));
    let args = from(port, BLOCK - 2);
    trial.note(format!("started with {}", args.join(" ")));
    #[cfg(target_os = "linux")]
    follow(trial, port, &args)?;
    // This one finds what other threads of a program do, too, and needs no
    // system on which a program can be followed.
    lurk(trial, port, &args)
}

/// A neighbour who looks whenever the program is between two calls into the
/// kernel, and takes the port once the program has had it and given it back.
///
/// The neighbour who only lies in wait has to hit a few microseconds. In 200
/// climbs with "bind, drop, bind again" it was in time 200 times with two idle
/// cores, and 184 times with two busy ones; with a single core, 12 times of 60.
/// This one was in time every time.
#[cfg(target_os = "linux")]
fn follow(trial: &Trial, port: u16, args: &[String; 4]) -> Result<(), Finding> {
    let args = args.each_ref().map(String::as_str);
    let process = trial.spawn_stopped(&args)?;
    // Who is stopped at each call is slow on a busy machine.
    trial.grant(START_TIME / 2);
    let until = Deadline::after(START_TIME);
    let (mut was_taken, mut ours) = (false, None);
    let look = || {
        if ours.is_none() {
            match hold_port(port) {
                // Not on the first look: the program has to find it free.
                Ok(socket) if was_taken => ours = Some(socket),
                Ok(_) => {}
                Err(_) => was_taken = true,
            }
        }
    };
    let over = || process.has_announced();
    if !between_calls(process.id(), until, look, over) {
        // The machine is too busy for this; the other neighbour remains.
        trial.forget();
        return Ok(());
    }
    let until = Deadline::after(START_TIME);
    trial.await_listening(process, until).map_err(not_found)?;
    trial.forget();
    Ok(())
}

/// A neighbour who takes the port and leaves it again, all the time.
fn lurk(trial: &Trial, port: u16, args: &[String; 4]) -> Result<(), Finding> {
    // Several neighbours would take the processor from each other.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (over, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let lurk = || {
            while !over.load(Ordering::Relaxed) {
                lie_in_wait(port, &looks);
            }
        };
        let neighbour = thread::Builder::new().spawn_scoped(scope, lurk);
        let found = neighbour
            .map_err(|error| Finding::of_machine("no thread", &error))
            .and_then(|_| seek(trial, args, &looks));
        over.store(true, Ordering::Relaxed);
        found
    })
}

/// Takes the port for a moment. Where somebody has it, tries a little longer:
/// who has only looked gives it back, and is about to bind it once more.
fn lie_in_wait(port: u16, looks: &AtomicUsize) {
    /// As long as a program needs to give back what it has only looked at.
    const TRIES: usize = 50;
    /// As long as it needs to find the port taken.
    const HOLD_TIME: Duration = Duration::from_millis(2);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into();
    let Ok(socket) = Socket::new(Domain::IPV4, Type::STREAM, None) else {
        return;
    };
    looks.fetch_add(1, Ordering::Relaxed);
    let was_free = socket.bind(&address).is_ok();
    if !was_free && (0..TRIES).any(|_| socket.bind(&address).is_ok()) {
        thread::sleep(HOLD_TIME);
    }
}

/// Starts one seeker after the other; each of them finds a port.
fn seek(
    trial: &Trial,
    args: &[String; 4],
    looks: &AtomicUsize,
) -> Result<(), Finding> {
    trial.note("started many times more");
    let args = args.each_ref().map(String::as_str);
    let until = Deadline::after(SEEK_TIME);
    let mut seekers = 0;
    while seekers < SEEKERS && !until.is_over() {
        let looks_before = looks.load(Ordering::Relaxed);
        trial.start(&args).map_err(not_found)?;
        trial.forget();
        // A neighbour who did not get to look has proved nothing.
        let count = looks.load(Ordering::Relaxed) - looks_before;
        seekers += usize::from(count >= LOOKS);
    }
    Ok(())
}

fn not_found(finding: Finding) -> Finding {
    let expected = "[LISTENING]: only one of the ports is taken now and then";
    let means = "perhaps the program looks whether a port is free, and binds \
                 it afterwards, or binds it twice. In between somebody else \
                 has taken it. Keep the listener that the first bind returns.";
    Finding::new(finding.came, expected, means)
}
