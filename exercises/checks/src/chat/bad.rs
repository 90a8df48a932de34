//! ex03: clients who do not read, who break off, and who send nonsense.

use std::collections::HashSet;
use std::time::Duration;

use harness::Deadline;

use super::crowd::{hears_of, not_told};
use super::room::{
    AGAIN_TIME, Line, hears, introduce, is_told, join, kind, names, pair, soon,
    soon_again, start, talk,
};
use crate::client::{BROKEN, Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::memory;
use crate::trial::{Server, Trial};

/// How many clients do not read.
const DEAF: usize = 3;

/// How many lines a server keeps for somebody who does not read.
const KEPT: usize = 200;

/// How many lines pass clients who do not read. Of short ones the buffers
/// between a client with the least room and the server hold some 400.
const PASSING: usize = 7000;

/// After this time less is enough: a server may send each byte alone.
const PASSING_TIME: Duration = Duration::from_secs(5);

/// Whoever reads nothing for longer may be let go by a write's time-out: then
/// it is not judged whether all lines were kept.
const PATIENCE: Duration = Duration::from_secs(4);

/// The rung may take so much longer than others: each of its steps is slow.
const MORE_TIME: Duration = Duration::from_secs(20);

/// How long nothing may come for somebody who reads again: the kernel asks
/// less and less often whether there is room (RFC 9293, section 3.8.6.1).
const WAKE_UP_TIME: Duration = Duration::from_secs(10);

/// For so long all of them read what was missed, at most: a server may
/// send each byte alone.
const CATCH_UP_TIME: Duration = Duration::from_secs(4);

/// The length of a line that is kept, and of one of many that pass.
const LONG_LINE: usize = 1000;
const SHORT_LINE: usize = 64;

/// How many of these lines are on the way at once. A server may let those go
/// who are more than 200 behind, even if they read.
const ON_THE_WAY: usize = 100;

/// How these lines begin. What stands before that is the server's, and hardly
/// these words.
const SAID: &str = "this is line ";

/// How long an endless line comes; and how long if the memory grows with it,
/// but slowly: searching all of it for a line feed each time takes long.
const FLOOD_TIME: Duration = Duration::from_secs(3);
const SLOW_FLOOD_TIME: Duration = Duration::from_secs(8);

/// When so many bytes have come and the memory has not grown by a quarter of
/// that, it does not grow with the line. After the most bytes it is judged.
const ENOUGH: usize = 16 * 1024 * 1024;
const MOST: usize = 256 * 1024 * 1024;

/// So much the memory may grow by chance, or for a limit; and with so little
/// it is not looked at for long.
const BY_CHANCE: usize = 256 * 1024;
const LITTLE: usize = 128 * 1024;

/// How often the memory is looked at.
const LOOK_TIME: Duration = Duration::from_millis(100);

pub(crate) fn slow_reader(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    trial.grant(MORE_TIME);
    let (mut a, mut b) = pair(&server)?;
    reads_late(&server, &mut a, &mut b)?;

    let mut deaf = deaf_clients(&server, &mut a)?;
    trial.note(format!("from now on none of these {DEAF} reads"));
    let until = Deadline::after(PASSING_TIME);
    for number in 1..=PASSING / ON_THE_WAY {
        if until.is_over() {
            break;
        }
        passes(&mut a, &mut b, number, SHORT_LINE)?;
    }
    here_or_gone(&mut deaf, &mut a)
}

/// Somebody does not read for a while, and is at most 200 lines behind.
fn reads_late(
    server: &Server<'_>,
    a: &mut Client<'_>,
    b: &mut Client<'_>,
) -> Result<(), Finding> {
    let mut late = server.connect_with_little_room("S1")?;
    // The last lines that S1 has to hear before those that are counted.
    introduce(a, &mut late)?;
    talk(&mut late, a)?;
    late.note("from now on S1 does not read".to_owned());
    let patience = Deadline::after(PATIENCE);
    for number in 1..=KEPT / ON_THE_WAY {
        if !patience.is_over() {
            passes(a, b, number, LONG_LINE)?;
        }
    }
    if !patience.is_over() {
        catches_up(&mut late, a)?;
    }
    late.leave();
    Ok(())
}

/// Clients who hear the room, and have room for little that they do not read.
fn deaf_clients<'t>(
    server: &'t Server<'_>,
    a: &mut Client<'_>,
) -> Result<Vec<Client<'t>>, Finding> {
    let mut deaf = Vec::new();
    for nth in 2..DEAF + 2 {
        let mut client = server.connect_with_least_room(&format!("S{nth}"))?;
        introduce(a, &mut client)?;
        // So A has heard of the coming, too.
        talk(&mut client, a)?;
        deaf.push(client);
    }
    Ok(deaf)
}

/// Each of them hears the room, or A is told that they have left.
fn here_or_gone(
    deaf: &mut [Client<'_>],
    a: &mut Client<'_>,
) -> Result<(), Finding> {
    let mut gone = HashSet::new();
    let until = Deadline::after(CATCH_UP_TIME);
    for client in deaf {
        if !is_here(client, a, until)? {
            gone.insert(client.address);
        }
    }
    hears_of(a, &mut gone, soon()).map_err(|end| {
        let means = "clients who did not read were let go, and the others \
                     were not told that they left.";
        not_told(a, &gone, "been let go", end, means)
    })
}

/// A line of a batch: each is different.
fn text(number: usize, nth: usize, length: usize) -> String {
    let text = format!("{SAID}{nth} of batch {number} ");
    format!("{text:=<length$}")
}

/// Whether this line was cut, or begins with a part of one that was. `head` is
/// what stands before such a text, and before it was seen, nothing.
fn is_cut(line: &[u8], head: &mut Vec<u8>) -> bool {
    let begun = [head.as_slice(), SAID.as_bytes()].concat();
    let begins_again = |end| line.starts_with(&[&begun[..end], head].concat());
    if !head.is_empty() && (1..begun.len()).any(begins_again) {
        return true;
    }
    let text_of_it = String::from_utf8_lossy(line);
    let Some((before, said)) = text_of_it.split_once(SAID) else {
        return false;
    };
    before.as_bytes().clone_into(head);
    let mut numbers = said.split(' ').map(str::parse);
    let (nth, number) = (numbers.next(), numbers.nth(2));
    let (Some(Ok(nth)), Some(Ok(number))) = (nth, number) else {
        return true;
    };
    text(number, nth, SHORT_LINE) != format!("{SAID}{said}")
}

/// A says a batch of lines, and B hears it.
fn passes(
    a: &mut Client<'_>,
    b: &mut Client<'_>,
    number: usize,
    length: usize,
) -> Result<(), Finding> {
    const MEANS: &str = "B, who reads, hears no more lines while others do not read. \
                         Perhaps the write to one of them waits, for all \
                         buffers are full; and everyone waits for that write, \
                         or for a lock that is held during it, or for one of \
                         a few threads that write.";
    a.note(format!(
        "A sends {ON_THE_WAY} lines of {length} bytes, and B listens"
    ));
    let lines: Vec<_> =
        (1..=ON_THE_WAY).map(|nth| text(number, nth, length)).collect();
    a.say(&format!("{}\n", lines.join("\n")))
        .map_err(|finding| finding.meaning(MEANS))?;
    // A slow server is not wrong, as long as it goes on.
    for line in &lines {
        hears(b, a, line, soon()).map_err(|missed| {
            let finding = missed.silence(MEANS);
            let came = format!("in batch {number}: {}", finding.came);
            Finding { came, ..finding }
        })?;
    }
    Ok(())
}

/// Somebody who is 200 lines behind reads again, and hears them all.
fn catches_up(client: &mut Client<'_>, a: &Client<'_>) -> Result<(), Finding> {
    const MEANS: &str = "a client who reads late did not hear all lines, and \
                         was not more than 200 behind. If each has a queue, it \
                         is perhaps too short: 200 lines must fit.";
    client.note(format!("{} reads again", client.name()));
    client.make_room();
    for number in 1..=KEPT / ON_THE_WAY {
        for nth in 1..=ON_THE_WAY {
            let line = text(number, nth, LONG_LINE);
            let until = Deadline::after(WAKE_UP_TIME);
            let heard = hears(client, a, &line, until);
            heard.map_err(|missed| missed.finding.meaning(MEANS))?;
        }
    }
    Ok(())
}

/// Somebody who has missed much reads again. Returns whether they hear the
/// room, or at least more and more of it up to `until`; otherwise they were let
/// go.
fn is_here(
    client: &mut Client<'_>,
    a: &mut Client<'_>,
    until: Deadline,
) -> Result<bool, Finding> {
    let name = client.name().to_owned();
    let question = format!("is {name} here?");
    client.note(format!("{name} reads again, all there is"));
    client.make_room();
    let mut silence = Deadline::after(WAKE_UP_TIME);
    a.send(format!("{question}\n"))?;
    let mut head = Vec::new();
    loop {
        match client.line(soon_again().min(silence)) {
            Ok(line) if is_cut(&line, &mut head) => {
                return Err(cut(client, &line));
            }
            Ok(line) if kind(&line, a, &question) == Line::Message => {
                return Ok(true);
            }
            Ok(_) if until.is_over() => return Ok(true),
            Ok(_) => silence = Deadline::after(WAKE_UP_TIME),
            Err(ReadEnd::Silence) if silence.is_over() => {
                return Err(neither_here_nor_gone(client, &question));
            }
            // Who was still behind may have missed the question.
            Err(ReadEnd::Silence) => a.send(format!("{question}\n"))?,
            Err(_) => return Ok(false),
        }
    }
}

fn cut(client: &Client<'_>, line: &[u8]) -> Finding {
    let name = client.name();
    Finding::new(
        format!("to {name}: {}", quoted(line)),
        format!("to {name}: whole lines, even if some are missing"),
        "a line was cut, and perhaps the next one stands behind its first \
         part. Who is far behind may miss lines, but whole ones. Perhaps what \
         waits is counted in bytes, and cut where there is no more room; or a \
         write took a part of a line, and its rest was forgotten.",
    )
}

fn neither_here_nor_gone(client: &Client<'_>, question: &str) -> Finding {
    let name = client.name();
    let came = "neither A's line, said again and again, nor the end";
    Finding::new(
        format!("to {name}: {came}, in {WAKE_UP_TIME:?}"),
        format!("to {name}: {question:?}, or the end of the connection"),
        "somebody who does not read may be let go, but then the connection \
         is closed: perhaps this one was only taken off the list. Or the \
         thread that writes to them has ended.",
    )
}

/// What it may mean when others do not hear each other any more.
const HARMED: &str = "a client's trouble has hit others, and the program still \
                      runs. Perhaps a thread has panicked that held a lock, \
                      which nobody gets any more; or a loop over all clients \
                      ends at the first one who is gone; or the loop that \
                      accepts has ended.";

pub(crate) fn bad_clients(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let (mut a, mut b) = pair(&server)?;
    let harmed = |finding: Finding| finding.meaning(HARMED);

    server.broken_clients(BROKEN).map_err(harmed)?;
    let mut bad = join(&server, "a bad client", &mut a).map_err(harmed)?;
    bad.send("half a li").map_err(harmed)?;
    bad.reset();
    unharmed(&mut a, &mut b)?;
    for bad in [no_text, too_long] {
        bad(&server, &mut a).map_err(|finding| {
            // Perhaps more is broken than that.
            unharmed(&mut a, &mut b).err().unwrap_or(finding)
        })?;
    }
    let endless = endless_line(&server, &mut a)?;
    unharmed(&mut a, &mut b)?;
    join(&server, "C", &mut a).map_err(harmed)?.leave();
    drop(endless);
    Ok(())
}

/// Those who are here hear each other.
fn unharmed(a: &mut Client<'_>, b: &mut Client<'_>) -> Result<(), Finding> {
    let met = talk(a, b).and_then(|()| talk(b, a));
    met.map_err(|finding| finding.meaning(HARMED))
}

/// A line that is not UTF-8.
fn no_text(
    server: &Server<'_>,
    witness: &mut Client<'_>,
) -> Result<(), Finding> {
    let mut bad = join(server, "a bad client", witness)
        .map_err(|finding| finding.meaning(HARMED))?;
    // The server may hang up on it.
    let _ = bad.send([b"\xff\xfe", NO_TEXT.as_bytes(), b"\n"].concat());
    goes_on_or_goes(bad, witness, "a line that was not UTF-8")
}

/// A line that is longer than any limit that makes sense.
fn too_long(
    server: &Server<'_>,
    witness: &mut Client<'_>,
) -> Result<(), Finding> {
    const LENGTH: usize = 64 * 1024;
    let mut bad = join(server, "a client with a long line", witness)
        .map_err(|finding| finding.meaning(HARMED))?;
    let mut line = TOO_LONG.repeat(LENGTH);
    line.push('\n');
    let _ = bad.send(line);
    goes_on_or_goes(bad, witness, "a line that was too long")
}

/// With these ends what a bad client sent, and no notice.
const NO_TEXT: &str = " is not UTF-8";
const TOO_LONG: &str = "=";

/// After something bad, its sender is heard, or is gone; and that is told,
/// like any other leaving.
fn goes_on_or_goes(
    mut bad: Client<'_>,
    witness: &mut Client<'_>,
    what: &str,
) -> Result<(), Finding> {
    const TEXT: &str = "and this is a line";
    let address = bad.address.to_string();
    let _ = bad.send(format!("{TEXT}\n"));
    let (until, mut told, mut gone) = (soon(), false, false);
    while !until.is_over() {
        match witness.line(soon_again().min(until)) {
            Ok(line) if kind(&line, &bad, TEXT) == Line::Message => {
                bad.leave();
                let means = format!("{LEFT_BAD} That client had sent {what}.");
                return is_told(witness, &address, "it has left", &means);
            }
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                let said = line.ends_with(NO_TEXT) || line.ends_with(TOO_LONG);
                told |= names(&line, &address) && !said;
            }
            Err(ReadEnd::Silence) => gone = gone || bad.has_ended(),
            Err(end) => return Err(witness_ended(witness, end)),
        }
        if told && gone {
            return Ok(());
        }
    }
    Err(neither(witness, &address, what, gone))
}

/// Somebody who sent something bad is not heard, and has not left.
fn neither(
    witness: &Client<'_>,
    address: &str,
    what: &str,
    gone: bool,
) -> Finding {
    let name = witness.name();
    let (came, means) = if gone {
        ("the connection was closed, and that was not told", LEFT_BAD)
    } else {
        ("no line more, and no end of the connection", MUTE)
    };
    Finding::new(
        format!("after {what}: {came}"),
        format!("to {name}: the next line of {address}, or that it has left"),
        means,
    )
}

const LEFT_BAD: &str = "somebody left, and the others were not told. Perhaps \
                        the thread has ended with a panic, or an error, and \
                        skipped what comes after.";

const MUTE: &str = "the sender may stay, and is heard then, or is let go, and \
                    the connection is closed. This one is neither. Perhaps \
                    its thread has ended with a panic, or reads no more, or \
                    waits for an end that is long past.";

fn witness_ended(witness: &Client<'_>, end: ReadEnd) -> Finding {
    let name = witness.name();
    Finding::new(
        format!("to {name}: {end}"),
        format!("{name} stays in the room"),
        HARMED,
    )
}

/// A line without an end, whose sender stays: the server's memory does not
/// grow with it.
fn endless_line<'t>(
    server: &'t Server<'_>,
    witness: &mut Client<'_>,
) -> Result<Client<'t>, Finding> {
    let mut endless = join(server, "an endless client", witness)
        .map_err(|finding| finding.meaning(HARMED))?;
    endless.keep_little_unsent();
    server.trial.grant(SLOW_FLOOD_TIME);
    endless.note("it sends the letter x, for ever, and no \\n".to_owned());
    if !comes_as_lines(&mut endless, witness) {
        fills_nothing(server, &mut endless)?;
    }
    Ok(endless)
}

/// Pours, and looks at the memory, until the server has ended that, or it is
/// clear what happens.
fn fills_nothing(
    server: &Server<'_>,
    endless: &mut Client<'_>,
) -> Result<(), Finding> {
    let peak = || memory::peak(server.process.id());
    let (before, mut sent) = (peak(), 0);
    let late = Deadline::after(FLOOD_TIME);
    let too_late = Deadline::after(SLOW_FLOOD_TIME);
    loop {
        let look = Deadline::after(LOOK_TIME);
        while let Some(_left) = look.left() {
            match endless.pour(look) {
                Ok(count) => sent += count,
                Err(_) => return Ok(()),
            }
        }
        // Where memory is not measured, it does not grow.
        let grown = peak()
            .zip(before)
            .map_or(0, |(now, before)| now.saturating_sub(before));
        let flat = grown < sent / 4;
        if flat && sent >= ENOUGH || late.is_over() && (flat || grown < LITTLE)
        {
            return Ok(());
        }
        if sent >= MOST || too_late.is_over() {
            let kept = grown > BY_CHANCE && grown > sent / 2;
            return if kept { Err(grows(sent, grown)) } else { Ok(()) };
        }
    }
}

/// Whether the endless line is cut, and comes as several. Then it is not kept,
/// and more of it would only put the others behind.
fn comes_as_lines(endless: &mut Client<'_>, witness: &mut Client<'_>) -> bool {
    // Of lines of 1,000 bytes, fewer than 200.
    for _ in 0..2 {
        let _ = endless.pour(soon_again());
    }
    let address = endless.address.to_string();
    let until = Deadline::after(2 * AGAIN_TIME);
    while let Ok(line) = witness.line(until) {
        let line = String::from_utf8_lossy(&line);
        if line.ends_with('x') && names(&line, &address) {
            return true;
        }
    }
    false
}

fn grows(sent: usize, grown: usize) -> Finding {
    Finding::new(
        format!(
            "after {} KiB without a line end, the program's memory (VmHWM) \
             had grown by {} KiB",
            sent / 1024,
            grown / 1024
        ),
        "a limit for the length of a line",
        "all of a line is kept until its end comes, and it never comes. \
         read_until and read_line do so, too: look at the length of what has \
         come, and drop it, or its sender, when it is too long.",
    )
}
