//! The small tasks inside the chapters, "Change it": a short ladder for each
//! whose result a program can judge. `02a` is change 02.1, `04c` is 04.3.

use std::fs;
use std::process::Output as Ended;

use harness::{Deadline, hold_port, peer};
use predicates::prelude::*;
use predicates::str::contains;

use crate::client::{Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::ladder::{Exercise, Rung};
use crate::ports::Block;
use crate::start;
use crate::trial::{ANSWER_TIME, Server, Trial};

/// All of them, in the order of the chapters.
pub static CHANGES: [&Exercise; 6] =
    [&LOOK_FIRST, &COUNT_CLIENTS, &SAY_WHO_CAME, &BACKWARDS, &FORGETFUL, &RACE];

/// What stands in `Exercise::folder`.
const FOLDER: &str = "changes";

const IT_STARTS: Rung =
    Rung { name: "it starts", try_it: |t| start::it_starts(t, &[]) };

static LOOK_FIRST: Exercise = Exercise {
    name: "01c",
    folder: FOLDER,
    title: "look first, mended",
    rungs: &[
        Rung { name: "a free port is taken at once", try_it: free_port },
        Rung { name: "a taken one is refused, ten times", try_it: ten_times },
        Rung { name: "the other server gets no call", try_it: no_call },
    ],
};

static COUNT_CLIENTS: Exercise = Exercise {
    name: "02a",
    folder: FOLDER,
    title: "count your clients",
    rungs: &[
        IT_STARTS,
        Rung { name: "each client hears its number", try_it: numbers },
        Rung { name: "one line, and nothing else", try_it: whole_line },
    ],
};

static SAY_WHO_CAME: Exercise = Exercise {
    name: "03a",
    folder: FOLDER,
    title: "say who came",
    rungs: &[
        IT_STARTS,
        Rung { name: "the others hear who came", try_it: others_hear },
        Rung { name: "a newcomer hears of nobody", try_it: newcomer },
        Rung { name: "who has left stops nobody", try_it: leavers },
        Rung { name: "what comes goes back, as before", try_it: echo },
    ],
};

static BACKWARDS: Exercise = Exercise {
    name: "04a",
    folder: FOLDER,
    title: "say it backwards",
    rungs: &[
        IT_STARTS,
        Rung { name: "Hello Server! is answered as before", try_it: hello },
        Rung { name: "a text comes back reversed", try_it: reversed },
        Rung { name: "letters are turned round, not bytes", try_it: letters },
    ],
};

static FORGETFUL: Exercise = Exercise {
    name: "04c",
    folder: FOLDER,
    title: "a forgetful server, mended",
    rungs: &[
        IT_STARTS,
        Rung { name: "one message", try_it: one_message },
        Rung { name: "one in many segments", try_it: in_pieces },
        Rung { name: "two in one segment", try_it: glued },
    ],
};

static RACE: Exercise = Exercise {
    name: "05b",
    folder: FOLDER,
    title: "a race, mended",
    rungs: &[
        Rung { name: "one Ok, one AlreadyExists", try_it: one_winner },
        Rung { name: "the file is the winner's", try_it: winners_file },
        Rung { name: "no .part stays behind", try_it: no_part },
    ],
};

/// A header has so many bytes: a number, and spaces.
const HEADER: usize = 64;

/// No reply here is longer.
const LONGEST: usize = 1000;

fn start(trial: &Trial) -> Result<Server<'_>, Finding> {
    trial.start(&["--port", "0"])
}

fn soon() -> Deadline {
    Deadline::after(ANSWER_TIME)
}

fn free_port(trial: &Trial) -> Result<(), Finding> {
    let block = Block::take()?;
    let port = block.port(0).to_string();
    trial.note(format!("started with --port {port}, which is free"));
    let server = trial.start(&["--port", &port])?;
    if server.address.port() == block.port(0) {
        return Ok(());
    }
    Err(Finding::new(
        format!("[LISTENING] {}", server.address),
        format!("[LISTENING] 127.0.0.1:{port}"),
        "the program binds another port than port() returns.",
    ))
}

/// Starts the program so many times, while another server has the port, which
/// accepts nobody. Returns how many calls that one got.
fn runs_in_vain(trial: &Trial, times: usize) -> Result<usize, Finding> {
    /// As in lesson 01: three callers find room.
    const BACKLOG: i32 = 2;
    let broken = |error| Finding::of_machine("no port to hold", &error);
    let holder = hold_port(0).map_err(broken)?;
    holder.listen(BACKLOG).map_err(broken)?;
    holder.set_nonblocking(true).map_err(broken)?;
    let address = holder.local_addr().map_err(broken)?;
    let port = address.as_socket().map_or(0, |it| it.port()).to_string();
    trial.note("another server has the port, and accepts nobody");
    for _ in 0..times {
        trial.note("the program is started with that port");
        refused(&trial.run(&["--port", &port])?)?;
        trial.forget();
    }
    let calls = std::iter::from_fn(|| holder.accept().ok()).count();
    Ok(calls)
}

fn refused(ended: &Ended) -> Result<(), Finding> {
    let said = [&*ended.stdout, &ended.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let means = if contains("Os {").eval(&said) {
        "an error of bind went up to main, which shows it raw. A match on \
         error.kind() can say it better."
    } else if contains("[LISTENING]").eval(&said) {
        "the program says that it listens, where it cannot."
    } else if contains("taken").or(contains("in use")).eval(&said) {
        return Ok(());
    } else {
        "the program does not say that the port is taken, or in use."
    };
    let came = quoted(said.trim_end().as_bytes());
    Err(Finding::new(came, "the port is taken, in one sentence", means))
}

fn ten_times(trial: &Trial) -> Result<(), Finding> {
    runs_in_vain(trial, 10).map(drop)
}

fn no_call(trial: &Trial) -> Result<(), Finding> {
    let calls = runs_in_vain(trial, 1)?;
    if calls == 0 {
        return Ok(());
    }
    Err(Finding::new(
        format!("{calls} connection to the other server"),
        "none: the program asks its own system, not the other program",
        "the program still looks before it binds. Each look takes a place in \
         the queue. bind is the look.",
    ))
}

fn greeting(nth: usize) -> String {
    format!("You are client {nth}.\r\n")
}

/// How many clients come.
const VISITS: usize = 12;

fn numbers(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    for nth in 1..=VISITS {
        let mut client = server.connect(&format!("client {nth}"))?;
        let line = client.whole_line(soon());
        let line = line.unwrap_or_else(|_| client.heard().to_vec());
        let text = String::from_utf8_lossy(&line);
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        if numbers.find(|it| !it.is_empty()) == Some(&*nth.to_string()) {
            continue;
        }
        let means = if line.is_empty() {
            "the server says nothing before its client does, or closes at once."
        } else {
            "the count does not begin at 1, does not go on, or begins anew \
             for each client: it belongs in front of the loop."
        };
        let expected = quoted(greeting(nth).as_bytes());
        return Err(Finding::new(quoted(&line), expected, means));
    }
    Ok(())
}

fn whole_line(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    for nth in 1..=VISITS {
        let mut client = server.connect(&format!("client {nth}"))?;
        let (bytes, end) = client.hear_out(soon());
        let expected = greeting(nth);
        if bytes == expected.as_bytes() && end == ReadEnd::End {
            continue;
        }
        let means = if bytes == expected.as_bytes() {
            "the line is right, and the connection does not end in the \
             orderly way."
        } else {
            "the words are not quite those of the page, the line has no \
             \\r\\n, or something comes before or behind it."
        };
        let came = format!("{}, then {end}", quoted(&bytes));
        let text = quoted(expected.as_bytes());
        let expected = format!("{text}, then the end of the connection");
        return Err(Finding::new(came, expected, means));
    }
    Ok(())
}

/// Two or more clients; each has heard an echo, so the server knows it.
fn crowd<'t>(
    server: &'t Server<'_>,
    names: &[&str],
) -> Result<Vec<Client<'t>>, Finding> {
    names
        .iter()
        .map(|name| {
            let mut client = server.connect(name)?;
            echoes(&mut client, &format!("I am {name}\n"))?;
            Ok(client)
        })
        .collect()
}

/// Sends a line, and waits until it comes back; other lines may come before.
fn echoes(client: &mut Client<'_>, text: &str) -> Result<(), Finding> {
    client.send(text)?;
    let mut lines: Vec<u8> = Vec::new();
    loop {
        let means = match client.line(soon()) {
            Ok(line) if line == text.trim_end().as_bytes() => return Ok(()),
            Ok(line) => {
                lines.extend(line);
                lines.push(b'\n');
                continue;
            }
            Err(ReadEnd::Silence) => {
                "the server is busy with another client, or waits for a lock \
                 that another one's thread holds."
            }
            Err(_) => "the server closes, where it should go on.",
        };
        let came = quoted(&lines);
        return Err(Finding::new(came, quoted(text.as_bytes()), means));
    }
}

fn came(client: &Client<'_>) -> Vec<u8> {
    format!("* {} came", client.address).into_bytes()
}

/// `listener` hears that `other` came, as the next thing.
fn hears_of(
    listener: &mut Client<'_>,
    other: &Client<'_>,
) -> Result<(), Finding> {
    let expected = came(other);
    let heard = listener.line(soon());
    if heard.as_ref() == Ok(&expected) {
        return Ok(());
    }
    let heard = match heard {
        Ok(line) => quoted(&line),
        Err(end) => end.to_string(),
    };
    let who = listener.name();
    Err(Finding::new(
        format!("{who} hears {heard}"),
        format!("{who} hears {}", quoted(&expected)),
        "not everybody on the list is told, or some are told twice. Clone \
         the list before the newcomer is on it, and write to each.",
    ))
}

fn others_hear(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut all = crowd(&server, &["A", "B", "C"])?;
    let (a, rest) = all.split_at_mut(1);
    let (b, c) = rest.split_at_mut(1);
    hears_of(&mut a[0], &b[0])?;
    hears_of(&mut a[0], &c[0])?;
    hears_of(&mut b[0], &c[0])
}

fn newcomer(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let _before = crowd(&server, &["A", "B"])?;
    let mut last = server.connect("C")?;
    last.send("hello\n")?;
    match last.line(soon()) {
        Ok(line) if line == b"hello" => Ok(()),
        heard => Err(Finding::new(
            heard.map_or_else(|end| end.to_string(), |it| quoted(&it)),
            "C hears nothing but its own words",
            "a newcomer hears of itself, or of those who came before. Clone \
             the list first, then put the newcomer on it.",
        )),
    }
}

fn leavers(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut all = crowd(&server, &["A", "B", "C"])?;
    hears_of_all(&mut all)?;
    all.remove(0).leave();
    // The server sees that in its own time.
    echoes(&mut all[0], "still here\n")?;
    let last = crowd(&server, &["D"])?;
    for listener in &mut all {
        hears_of(listener, &last[0])?;
        echoes(listener, "and I go on\n")?;
    }
    Ok(())
}

/// Each hears of all that came after it.
fn hears_of_all(all: &mut [Client<'_>]) -> Result<(), Finding> {
    for nth in 0..all.len() {
        let (before, after) = all.split_at_mut(nth + 1);
        for other in after {
            hears_of(&mut before[nth], other)?;
        }
    }
    Ok(())
}

fn echo(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut clients = crowd(&server, &["A", "B"])?;
    echoes(&mut clients[0], "once more\n")
}

/// Expects these answers, each a header of 64 bytes and a body.
fn answers(
    client: &mut Client<'_>,
    replies: &[&str],
    means: &str,
) -> Result<(), Finding> {
    for reply in replies {
        let heard = message(client);
        if heard.as_deref() == Ok(reply.as_bytes()) {
            continue;
        }
        let came = match heard {
            Ok(body) => format!("the message {}", quoted(&body)),
            Err(came) => came,
        };
        let expected = format!("the message {}", quoted(reply.as_bytes()));
        return Err(Finding::new(came, expected, means));
    }
    Ok(())
}

/// The body of the next message, or what came instead.
fn message(client: &mut Client<'_>) -> Result<Vec<u8>, String> {
    let cut = |(bytes, end): (Vec<u8>, ReadEnd)| {
        format!("{}, then {end}", quoted(&bytes))
    };
    let header = client.exactly(HEADER, soon()).map_err(cut)?;
    let digits = header.trim_ascii_end();
    let length = str::from_utf8(digits).ok().and_then(|it| it.parse().ok());
    let length = length.filter(|length| *length <= LONGEST);
    let length =
        length.ok_or_else(|| format!("{} as header", quoted(&header)))?;
    client.exactly(length, soon()).map_err(cut)
}

/// Sends a message in one segment.
fn send(client: &mut Client<'_>, texts: &[&str]) -> Result<(), Finding> {
    let bytes: Vec<u8> = texts.iter().flat_map(peer::message).collect();
    let shown: Vec<_> = texts.iter().map(|it| format!("{it:?}")).collect();
    let (name, shown) = (client.name(), shown.join(" and "));
    client.note(format!("{name} sends the message {shown}, in one segment"));
    client.write(&bytes)
}

/// One message, one answer.
fn says(
    trial: &Trial,
    text: &str,
    reply: &str,
    means: &str,
) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut client = server.connect("A")?;
    send(&mut client, &[text])?;
    answers(&mut client, &[reply], means)
}

fn hello(trial: &Trial) -> Result<(), Finding> {
    let means = "the change belongs to the other texts alone.";
    says(trial, "Hello Server!", "Hello Client!", means)
}

fn reversed(trial: &Trial) -> Result<(), Finding> {
    let means = "the reply is not the text backwards, without another word.";
    says(trial, "stressed", "desserts", means)
}

fn letters(trial: &Trial) -> Result<(), Finding> {
    let means = "bytes were turned round, and an ö has two: chars() gives \
                 letters. The length in the header counts bytes: len().";
    says(trial, "wörld", "dlröw", means)
}

fn one_message(trial: &Trial) -> Result<(), Finding> {
    let means = "the reply is not what the server said before.";
    says(trial, "one", "You said: one", means)
}

fn in_pieces(trial: &Trial) -> Result<(), Finding> {
    /// Long enough for a segment of its own.
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);
    let server = start(trial)?;
    let mut client = server.connect("A")?;
    client.send_in_bytes(peer::message("wörld"), PAUSE)?;
    let means = "a read was taken for a message. read_exact waits for all.";
    answers(&mut client, &["You said: wörld"], means)
}

fn glued(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut client = server.connect("A")?;
    send(&mut client, &["one", "two"])?;
    let means = "what a BufReader has read ahead is lost when it is dropped. \
                 Make one for the connection, not one for each message.";
    answers(&mut client, &["You said: one", "You said: two"], means)
}

/// Runs the program in an empty folder; returns what it said, and the names
/// of what it left.
fn race(trial: &Trial) -> Result<(String, Vec<String>), Finding> {
    let broken = |error| Finding::of_machine("no folder to run in", &error);
    let folder = tempfile::tempdir().map_err(broken)?;
    trial.note("run in an empty folder");
    let ended = trial.run_in(folder.path())?;
    let entries = fs::read_dir(folder.path()).map_err(broken)?;
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    Ok((said, names.collect()))
}

/// Who has heard `Ok(())`, and how many others `AlreadyExists`.
fn winner(said: &str) -> Result<&str, Finding> {
    let results = said.lines().filter_map(|line| line.split_once(": "));
    let (mut won, mut lost) = (Vec::new(), 0);
    for (who, result) in results {
        if result == "Ok(())" {
            won.push(who);
        }
        lost += usize::from(result.contains("AlreadyExists"));
    }
    let means = match *won {
        [who] if lost == 1 => return Ok(who),
        [_, _, ..] => {
            "rename replaces what is there, and the look with exists is out \
             of date when it returns. hard_link fails if the name is taken."
        }
        _ => "the error of hard_link is what the second sender has to hear.",
    };
    let expected = "one sender: Ok(()), the other: Err(… AlreadyExists …)";
    Err(Finding::new(quoted(said.as_bytes()), expected, means))
}

fn one_winner(trial: &Trial) -> Result<(), Finding> {
    let (said, _) = race(trial)?;
    winner(&said).map(drop)
}

fn winners_file(trial: &Trial) -> Result<(), Finding> {
    let (said, _) = race(trial)?;
    let expected = format!("the file says: Ok({:?})", winner(&said)?);
    if said.lines().any(|line| line == expected) {
        return Ok(());
    }
    let means = "one sender has heard Ok, and the content is another's.";
    Err(Finding::new(quoted(said.as_bytes()), expected, means))
}

fn no_part(trial: &Trial) -> Result<(), Finding> {
    let (_, names) = race(trial)?;
    if names.is_empty() {
        return Ok(());
    }
    let means = "whoever makes a temporary file removes it, also when the \
                 upload fails: before ? leaves the function.";
    Err(Finding::new(names.join(", "), "an empty folder", means))
}
