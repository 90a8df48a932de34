//! ex04: syslog over TCP with octet counting, RFC 6587, section 3.4.1.

use std::cell::OnceCell;
use std::thread;
use std::time::Duration;

use harness::{Deadline, NoLine, Stream};

use crate::client::{BROKEN, Client, ReadEnd};
use crate::finding::{Finding, quoted};
use crate::ladder::{Exercise, Rung};
use crate::start;
use crate::trial::{ANSWER_TIME, Server, Trial};

/// A log server.
pub static SYSLOG: Exercise = Exercise {
    name: "ex04",
    folder: "04_syslog",
    title: "a log server",
    rungs: &[
        Rung { name: "it starts", try_it: |t| start::it_starts(t, &[]) },
        Rung { name: "one message", try_it: one_message },
        Rung { name: "several in one segment", try_it: one_segment },
        Rung { name: "one in many segments", try_it: many_segments },
        Rung { name: "octets, not characters", try_it: octets },
        Rung { name: "many at once", try_it: many_at_once },
        Rung { name: "bad lengths", try_it: bad_lengths },
        Rung { name: "a bad sender harms nobody", try_it: bad_senders },
    ],
};

/// What every receiver must take: RFC 5425, section 4.3.1.
const MUST_TAKE: usize = 2048;

/// The longest message that is taken by default.
const LIMIT: usize = 8192;

/// How many senders are silent while another one talks.
const SILENT: usize = 20;

/// In this time a server has usually read what has come. On a machine that is
/// too busy for that, the check is only milder.
const PAUSE: Duration = Duration::from_millis(100);

/// A silence for which nobody is let go.
const SILENCE: Duration = Duration::from_secs(1);

/// The tag of a message that the program prints.
const TAG: &str = "[RECEIVED]";

/// A log server, and how it prints.
struct Logger<'t> {
    server: Server<'t>,
    /// Whether its messages have the tag. If so, its other lines are none.
    tagged: OnceCell<bool>,
}

fn start(trial: &Trial) -> Result<Logger<'_>, Finding> {
    let server = trial.start(&["--port", "0"])?;
    Ok(Logger { server, tagged: OnceCell::new() })
}

impl Logger<'_> {
    fn connect(&self, name: &str) -> Result<Client<'_>, Finding> {
        self.server.connect(name)
    }

    /// The lines that were printed by now.
    fn lines_so_far(&self) -> Vec<String> {
        self.server.process.lines_so_far().collect()
    }

    /// Whether a line, in which words of a message stand, is that message. It
    /// may also be a trace, or speak of an error.
    fn is_message(&self, line: &str) -> bool {
        let tagged = |line: &str| line.starts_with(TAG);
        let process = &self.server.process;
        tagged(line)
            || !self.tagged.get_or_init(|| {
                let until = Deadline::after(2 * PAUSE);
                process.will_have(Stream::Stdout, tagged, until)
            })
    }
}

fn soon() -> Deadline {
    Deadline::after(ANSWER_TIME)
}

fn frame(message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    [format!("{} ", message.len()).as_bytes(), message].concat()
}

/// Waits until the program prints a line with all of `words`; returns the
/// lines before it.
///
/// The lines are compared by words, since a program may use other escapes than
/// ours.
fn prints(
    logger: &Logger<'_>,
    words: &[&str],
    means: &str,
) -> Result<Vec<String>, Finding> {
    let until = soon();
    let mut others = Vec::new();
    let expected = format!("a line on stdout with {}", words.join(" and "));
    loop {
        let why = match logger.server.process.next_line(Stream::Stdout, until) {
            Ok(line)
                if words.iter().all(|word| line.contains(word))
                    && logger.is_message(&line) =>
            {
                return Ok(others);
            }
            Ok(line) => {
                others.push(line);
                if !until.is_over() {
                    continue;
                }
                NoLine::Silence
            }
            Err(why) => why,
        };
        return Err(not_printed(&others, why, expected, means));
    }
}

fn not_printed(
    others: &[String],
    why: NoLine,
    expected: String,
    means: &str,
) -> Finding {
    let last: Vec<_> = others.iter().rev().take(4).rev().cloned().collect();
    let (end, means) = match why {
        NoLine::Silence => (format!("and no more in {ANSWER_TIME:?}"), means),
        NoLine::Ended => ("then the end of stdout".to_owned(), means),
        NoLine::Flood => {
            let means = "the program prints in an endless loop.";
            ("then more than 1 MiB of lines".to_owned(), means)
        }
    };
    let came = if last.is_empty() {
        format!("no line on stdout, {end}")
    } else {
        format!("on stdout:\n{}\n({end})", last.join("\n"))
    };
    Finding::new(came, expected, means)
}

/// The program has printed no message with `word` so far. It may speak of it
/// under another tag, such as `[ERROR]`.
fn not_yet(
    logger: &Logger<'_>,
    lines: &[String],
    word: &str,
    means: &str,
) -> Result<(), Finding> {
    let other_tag =
        |line: &str| line.starts_with('[') && !line.starts_with(TAG);
    let mut found =
        lines.iter().filter(|line| line.contains(word) && !other_tag(line));
    let Some(line) = found.find(|line| logger.is_message(line)) else {
        return Ok(());
    };
    let came = format!("on stdout:\n{line}");
    Err(Finding::new(came, format!("no line with {word}"), means))
}

fn one_message(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut a = server.connect("A")?;
    a.send(frame("<13>a: hello-server"))?;
    let means = "the program does not read the message, or waits for a line \
                 feed, which a message need not have; or it prints only when \
                 the connection ends, or keeps its output in a buffer.";
    prints(&server, &["hello-server"], means)?;
    a.send(frame("<13>a: hello-again"))?;
    let means = "the program reads one message and no more.";
    prints(&server, &["hello-again"], means)?;
    let (answer, _) = a.hear_out(Deadline::after(PAUSE));
    if answer.is_empty() {
        return Ok(());
    }
    let means = "senders of syslog do not read: the answers of such a server \
                 pile up until nothing goes any more.";
    Err(Finding::new(quoted(&answer), "no answer to the sender", means))
}

fn one_segment(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut a = server.connect("A")?;
    let words = ["m-one", "m-two", "m-three", "m-four"];
    let frames = words.map(|word| frame(format!("<13>a: {word}")));
    a.send(frames.concat())?;
    let means = "one read was taken for one message. It returned several: \
                 what stands behind the first is the beginning of the next, \
                 and must not be lost or printed with it.";
    let mut seen = Vec::new();
    for word in words {
        seen.extend(prints(&server, &[word], means)?);
    }
    // Each came alone, and in order: nothing was passed over.
    words.iter().try_for_each(|word| not_yet(&server, &seen, word, means))
}

fn many_segments(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut a = server.connect("A")?;
    let means = "one read was taken for one message, or for one length. It \
                 returned only a part: read on until all octets are there.";
    let message = frame("<13>a: in-small-pieces");
    let (all_but_one, last) = message.split_at(message.len() - 1);
    let (length, begin) = all_but_one.split_at(3);
    let hung_up = |finding: Finding| finding.meaning(means);
    a.send_in_bytes(length, 2 * PAUSE).map_err(hung_up)?;
    a.send_in_bytes(begin, Duration::from_millis(15)).map_err(hung_up)?;
    thread::sleep(PAUSE);
    not_yet(&server, &server.lines_so_far(), "in-small", means)?;
    a.send(last).map_err(hung_up)?;
    prints(&server, &["in-small-pieces"], means)?;

    let long = format!("<13>a: long-one {}", "x".repeat(MUST_TAKE - 16));
    let long = frame(long);
    for piece in long.chunks(700) {
        a.send(piece).map_err(hung_up)?;
        thread::sleep(PAUSE / 4);
    }
    a.send(frame("<13>a: behind-the-long"))?;
    prints(&server, &["long-one"], means)?;
    prints(&server, &["behind-the-long"], means)?;
    Ok(())
}

fn octets(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut a = server.connect("A")?;
    let means = "the length was taken as a number of characters. It counts \
                 octets: in UTF-8 an ö has two of them. Read bytes, \
                 and make text of them afterwards.";
    a.send(
        [
            frame("<13>be-fore \u{f6}\u{2713}\u{1f600} af-ter"),
            frame("<13>next-one"),
        ]
        .concat(),
    )?;
    prints(&server, &["be-fore", "af-ter"], means)?;
    prints(&server, &["next-one"], means)?;

    let means = "a line feed was taken for the end, or printed as it is. The \
                 length alone says where a message ends, and each message is \
                 one line on stdout: escape it.";
    a.send([frame("<13>line-a\nline-b\n"), frame("<13>next-two")].concat())?;
    prints(&server, &["line-a", "line-b"], means)?;
    prints(&server, &["next-two"], means)?;

    let means = "a message need not be UTF-8: from_utf8 returns an error for \
                 this one. Escape such bytes, and go on.";
    a.send(
        [frame(b"<13>raw-a\xff\x00\xc3raw-b"), frame("<13>next-three")]
            .concat(),
    )?;
    prints(&server, &["raw-a", "raw-b"], means)?;
    prints(&server, &["next-three"], means)?;
    Ok(())
}

fn many_at_once(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut silent = server.server.silent_clients(SILENT)?;
    trial.note("every other one begins: \"20 <13>late-\"");
    for client in silent.iter_mut().skip(1).step_by(2) {
        client.say("20 <13>late-")?;
    }
    let mut a = server.connect("A")?;
    a.send(frame("<13>not-silent"))?;
    let means = "the server takes one sender at a time, or a few: it waits \
                 for the silent ones and does not read what A says. Each \
                 connection needs a thread of its own.";
    prints(&server, &["not-silent"], means)?;
    thread::sleep(SILENCE);
    let means = "a sender who was silent for a while was given up.";
    if let [first, second, ..] = &mut silent[..] {
        first.send(frame("<13>early-bird"))?;
        prints(&server, &["early-bird"], means)?;
        second.send("but-whole")?;
        let words = ["late-", "but-whole"];
        let too_few = "20 octets were announced, and 18 have come so far.";
        thread::sleep(PAUSE);
        not_yet(&server, &server.lines_so_far(), "late-", too_few)?;
        second.send("!!")?;
        prints(&server, &words, means)?;
    }
    Ok(())
}

fn bad_lengths(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut good = server.connect("a good sender")?;
    let longest = format!("{:x<LIMIT$}", "<13>just-fits ");
    good.send([frame(longest), frame("<13>after-it")].concat())?;
    let means = "8,192 octets is the limit, and a message exactly that long \
                 is not over it. The header does not count.";
    prints(&server, &["just-fits"], means)?;
    prints(&server, &["after-it"], means)?;
    let endless = "1".repeat(5000);
    let bad = [
        "abc <13>bad",
        "+7 <13>bad",
        "-7 <13>bad",
        "7x <13>bad",
        "<13>no length\n",
        "1000000000 ",
        "99999999999999999999999999 <13>bad",
        &endless,
    ];
    let means = "a length that is none ended more than its own connection.";
    let harm = |finding: Finding| finding.harm(means);
    let mut clients = Vec::new();
    trial.note(format!("{} bad senders, each with a bad length", bad.len()));
    for (nth, bytes) in bad.iter().enumerate() {
        let name = format!("bad {}", nth + 1);
        let mut client = server.connect(&name).map_err(harm)?;
        client.say(bytes).map_err(harm)?;
        clients.push(client);
    }
    for (client, bytes) in clients.iter_mut().zip(bad) {
        closes(client, bytes)?;
    }
    good.send(frame("<13>still-here")).map_err(harm)?;
    let seen = prints(&server, &["still-here"], means).map_err(harm)?;
    let tagged: Vec<_> =
        seen.into_iter().filter(|line| line.starts_with(TAG)).collect();
    let means = "what follows a length that is none was taken for a message.";
    not_yet(&server, &tagged, "<13>ba", means)
}

/// The server closes a connection on which nothing good can come any more.
fn closes(client: &mut Client<'_>, sent: &str) -> Result<(), Finding> {
    let (_, end) = client.hear_out(soon());
    if matches!(end, ReadEnd::End | ReadEnd::Reset) {
        return Ok(());
    }
    let means = match sent.as_bytes() {
        [b'+', ..] => {
            "str::parse takes \"+7\" for a number. The protocol does not: \
             look at the bytes."
        }
        [b'1', .., b' '] => {
            "the program believes any length, and waits for a message that \
             long. Compare the length with the limit before you read on."
        }
        [b'9', ..] => {
            "the number does not fit into its type, and the error was \
             passed over. Whoever stops at the first digit over the limit \
             never gets so far."
        }
        [b'1', ..] => {
            "the program waits for a space that may never come. Give up at \
             the first digit with which the length is over the limit."
        }
        _ => {
            "the program looks for the next frame in bytes that are none, or \
             keeps the connection."
        }
    };
    let name = client.name();
    client.note(format!("{name} sends {}", quoted(sent.as_bytes())));
    Err(Finding::new(
        format!("to {name}: {end}"),
        format!("to {name}: the end of the connection"),
        means,
    ))
}

fn bad_senders(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let mut good = server.connect("a good sender")?;
    let harmed = "one sender's trouble has ended the program or its loop: \
                  unwrap or ? where the sender may be gone.";
    let harm = |finding: Finding| finding.harm(harmed);
    cut_off(&server)?;
    misbehave(&server.server).map_err(harm)?;

    good.send(frame("<13>good-old"))?;
    let mut seen = prints(&server, &["good-old"], harmed).map_err(harm)?;
    let mut newcomer = server.connect("a newcomer").map_err(harm)?;
    newcomer.send(frame("<13>good-new"))?;
    seen.extend(prints(&server, &["good-new"], harmed).map_err(harm)?);
    let means = "a message whose end never came was printed as if it were \
                 whole.";
    not_yet(&server, &seen, "cut-off-before", means)?;
    not_yet(&server, &seen, "broken-off", means)
}

/// A frame without its end, and the end of the stream.
fn cut_off(logger: &Logger<'_>) -> Result<(), Finding> {
    let mut cut = logger.connect("a sender who is cut off")?;
    cut.send("40 <13>cut-off-before")?;
    cut.end();
    if let (_, ReadEnd::Silence) = cut.hear_out(soon()) {
        return Err(Finding::new(
            format!("to {}: {}", cut.name(), ReadEnd::Silence),
            "the end of the connection: nothing more can come",
            "the end of the stream inside a frame was passed over: read \
             returns 0 again and again.",
        ));
    }
    Ok(())
}

/// Connections that break inside a frame or before it, and a flood.
fn misbehave(server: &Server<'_>) -> Result<(), Finding> {
    for _ in 0..10 {
        let mut bad = server.connect("a bad sender")?;
        bad.send("40 <13>broken-off")?;
        bad.reset();
    }
    server.broken_clients(BROKEN)?;
    server.connect("a flooder")?.flood(1024 * 1024);
    Ok(())
}
