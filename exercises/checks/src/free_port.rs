//! ex01: the first free port. Only `bind` says whether a port is free.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use assert_cmd::assert::OutputAssertExt;
use harness::{Deadline, hold_port};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use socket2::{Domain, Socket, Type};

use crate::finding::Finding;
use crate::ladder::{Exercise, Rung};
use crate::ports::{BLOCK, Block, release};
#[cfg(target_os = "linux")]
use crate::stepper::between_calls;
use crate::trial::{ANSWER_TIME, START_TIME, Server, Trial};

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
/// lies in wait. One in five that look first was caught on a busy machine.
const SEEKERS: usize = 200;

/// No further one is started after this time: a program may start slowly.
const SEEK_TIME: Duration = Duration::from_secs(1);

/// A seeker counts when the neighbour has tried so often meanwhile.
const LOOKS: usize = 20;

/// A program that still runs after this time stays.
const STAY_TIME: Duration = Duration::from_millis(300);

/// How often we look whether port 65535 is free, and how long at most.
const TURN_TIME: Duration = Duration::from_millis(20);
const LONGEST_TURN: Duration = Duration::from_secs(40);

fn from(port: u16, tries: u16) -> [String; 4] {
    let words = ["--from", &port.to_string(), "--tries", &tries.to_string()];
    words.map(ToOwned::to_owned)
}

fn start(trial: &Trial, port: u16, tries: u16) -> Result<Server<'_>, Finding> {
    let args = from(port, tries);
    trial.note(format!("started with {}", args.join(" ")));
    trial.start(&args.each_ref().map(String::as_str))
}

/// Starts the program and compares the port that it takes.
fn takes<'t>(
    trial: &'t Trial,
    (port, tries): (u16, u16),
    expected: u16,
    means: &str,
) -> Result<Server<'t>, Finding> {
    let server = start(trial, port, tries)?;
    if server.address == SocketAddr::from((Ipv4Addr::LOCALHOST, expected)) {
        return Ok(server);
    }
    Err(other_port(&server, expected, means))
}

fn other_port(server: &Server<'_>, expected: u16, means: &str) -> Finding {
    let came = format!("[LISTENING] {}", server.address);
    let expected = format!("[LISTENING] 127.0.0.1:{expected}");
    Finding::new(came, expected, means)
}

fn it_starts(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let means = "the program does not begin with P, asks the system for any \
                 port, or listens on another address than 127.0.0.1.";
    let port = block.port(0);
    let server = takes(trial, (port, 10), port, means)?;

    server.connect("A")?;
    let elsewhere = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port));
    trial.note(format!("B tries to connect to {elsewhere}"));
    if TcpStream::connect_timeout(&elsewhere, ANSWER_TIME).is_ok() {
        return Err(Finding::new(
            format!("a connection at {elsewhere}"),
            "none: the program listens on 127.0.0.1 alone",
            "the program binds 0.0.0.0, that is every address of the \
             machine: the whole network can connect.",
        ));
    }
    // After a connection it still listens.
    let ended = server.process.wait(Deadline::after(STAY_TIME));
    if let Some(status) = ended {
        return Err(Finding::new(
            format!("the program ended: {status}"),
            "it keeps listening until it is stopped",
            "",
        )
        .harm(
            "the program ends after the first client, or right after it has \
             said where it listens.",
        ));
    }
    server.connect("C")?;
    hold_port(block.port(1)).map(drop).map_err(|error| {
        Finding::new(
            format!("port {} is taken, too: {error}", block.port(1)),
            format!("the program takes port {port} alone"),
            "the loop over the ports goes on after the first success.",
        )
    })
}

fn taken(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let _others = block.hold(0..3)?;
    let (from, to) = (block.port(0), block.port(2));
    trial.note(format!("other programs listen on {from} to {to}"));
    let means = "after a taken port the next one is tried, in steps of one, \
                 and the port that is printed is the one that was got.";

    let server = takes(trial, (from, 10), block.port(3), means);
    let server = server.map_err(|finding| Finding {
        expected: format!("[LISTENING] 127.0.0.1:{}", block.port(3)),
        means: means.to_owned(),
        ..finding
    })?;

    server.connect("A")?;
    Ok(())
}

/// Judges a program that had no port to take.
fn gave_up(ended: &Output) -> Result<(), Finding> {
    let stdout = String::from_utf8_lossy(&ended.stdout);
    let came = format!("{}, stdout {stdout:?}", ended.status);
    let own_words = is_empty().not().and(contains("panicked at").not());
    let as_asked = || {
        let ended = ended.clone().assert().try_code(1).ok()?;
        let ended = ended.try_stdout(contains("[LISTENING]").not()).ok()?;
        ended.try_stderr(own_words).ok()
    };
    let means = match ended.status.code() {
        Some(1) if ended.stderr.is_empty() => {
            "the code is right, but nobody is told why: eprintln! writes to \
             stderr, println! to stdout."
        }
        Some(101) => {
            "the program panicked. Return the failure from run instead, and \
             it reaches errors::exit_code."
        }
        Some(0) => {
            "main has returned as if all were well. Return the failure from \
             run, and it reaches errors::exit_code."
        }
        _ => "the failure has to reach errors::exit_code, and nothing else.",
    };
    as_asked().map(drop).ok_or_else(|| {
        Finding::new(
            came,
            "exit code 1, no [LISTENING], and on stderr why, in your own words",
            means,
        )
    })
}

/// Runs the program where it finds no port.
fn finds_nothing(trial: &Trial, port: u16, tries: u16) -> Result<(), Finding> {
    let args = from(port, tries);
    trial.note(format!("started with {}", args.join(" ")));
    gave_up(&trial.run(&args.each_ref().map(String::as_str))?)
}

fn all_taken(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let _others = block.hold(0..8)?;
    let (from, to) = (block.port(0), block.port(7));
    trial.note(format!("other programs listen on {from} to {to}"));

    finds_nothing(trial, from, 3)
}

fn tries(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let mut others = block.hold(0..3)?;
    let (from, to) = (block.port(0), block.port(2));
    trial.note(format!("other programs listen on {from} to {to}"));
    let means = "one port too many is tried: N tries from P end at P+N-1.";
    finds_nothing(trial, from, 3).map_err(|finding| finding.meaning(means))?;

    release(others.pop(), to);
    trial.note(format!("port {to} is free again"));
    let means = "one port too few is tried: N tries from P end at P+N-1.";
    takes(trial, (from, 3), to, means)
        .map(drop)
        .map_err(|finding| finding.meaning(means))?;
    release(others, from);
    takes(trial, (from, 1), from, "with one try, P itself is tried.").map(drop)
}

/// Port 65535 is one for all: checks that run at the same time, in other
/// processes too, take turns. Whose turn it is has the port of that number in
/// UDP, which no program under test asks for.
fn last_port(trial: &Trial) -> Result<(), Finding> {
    let last = (Ipv4Addr::LOCALHOST, u16::MAX);
    let _turn = in_turn(trial, || UdpSocket::bind(last))?;
    let other = in_turn(trial, || TcpListener::bind(last))?;
    trial.note("another program listens on port 65535");
    let means = "the sum does not fit into a u16: it panics, or begins again \
                 at 0, where the system picks any port.";
    finds_nothing(trial, u16::MAX, 10)
        .map_err(|finding| finding.meaning(means))?;

    release(other, u16::MAX);
    trial.note("port 65535 is free again");
    let means = "65535 is a port like others: the range ends behind it.";
    let until = Deadline::after(ANSWER_TIME);
    // Another program may have it for a moment: then it is tried again.
    let mut failures = 0;
    let taken = loop {
        match takes(trial, (u16::MAX, 10), u16::MAX, means) {
            Err(_) if failures < 3 && !until.is_over() => {
                failures += usize::from(hold_port(u16::MAX).is_ok());
                thread::sleep(TURN_TIME);
            }
            ended => break ended.map(drop),
        }
    };
    // The next check takes its turn with this port.
    trial.forget();
    taken.map_err(|finding| finding.meaning(means))
}

/// Waits until port 65535 can be had. The program gets this time back.
fn in_turn<T>(
    trial: &Trial,
    mut bind: impl FnMut() -> io::Result<T>,
) -> Result<T, Finding> {
    let until = Deadline::after(LONGEST_TURN);
    loop {
        match bind() {
            Ok(socket) => return Ok(socket),
            Err(_) if !until.is_over() => {
                trial.grant(TURN_TIME);
                thread::sleep(TURN_TIME);
            }
            Err(error) => {
                return Err(Finding::of_machine("port 65535", &error));
            }
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
    let means = "the program connects to see whether a port is taken. Where \
                 nobody answers, the port may still belong to somebody: only \
                 bind knows.";

    let args = from(first, 10);
    trial.note(format!("started with {}", args.join(" ")));
    let process = trial.spawn(&args.each_ref().map(String::as_str))?;
    let until = Deadline::after(START_TIME);
    let server = trial
        .await_listening(process, until)
        .map_err(|finding| finding.meaning(means))?;
    if server.address.port() != second {
        return Err(other_port(&server, second, means));
    }
    Ok(())
}

/// A neighbour takes port P whenever it can. Whoever looks first finds
/// something else when binding than when looking.
fn neighbour(trial: &Trial) -> Result<(), Finding> {
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
    let means = "the program looks whether a port is free, and binds it \
                 afterwards, or binds it twice. In between somebody else has \
                 taken it. Keep the listener that the first bind returns.";
    Finding::new(finding.came, expected, means)
}
