//! ex03: as many clients as the room must hold, and many more after them.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use harness::Deadline;

use super::room::{hears_at_all, introduce, names, soon, soon_again, start};
use crate::client::{Client, ReadEnd, without_the_line};
use crate::finding::{Finding, quoted};
use crate::trial::{ANSWER_TIME, Server, Trial};

/// How many clients the room must hold.
const CROWD: usize = 50;

/// How often the whole crowd talks at the same time: each time is another
/// chance for lines to get mixed. A server need not keep more than 200 lines
/// for anybody, so each says one.
const ROUNDS: usize = 30;

/// No further round begins after this time.
const CROWD_TIME: Duration = Duration::from_secs(2);

/// How many come in the place of those who have left, and how often: with the
/// crowd they are more than 256.
const NEXT: usize = 45;
const TIMES: usize = 5;

/// So many come at once, and the next ones a moment later, or when the others
/// hear of these: a short queue for `accept` is not wrong, and when it is full
/// each further one waits for a second (RFC 6298, section 2.1).
const GROUP: usize = 4;
const GROUP_TIME: Duration = Duration::from_millis(40);

/// The same for the crowd, who come one after the other.
const NEWS_TIME: Duration = Duration::from_millis(10);

/// For each time that others have come, the rung may take so much longer.
const MORE_TIME: Duration = Duration::from_secs(1);

/// What it means when nobody more comes in.
const FULL: &str = "many clients had been served, and no more come in, though \
                    others have left, every second one by a reset. Perhaps \
                    clients are counted and never taken off again, or not \
                    after a reset; or the number is too big for its type, or \
                    a thread or a place is not given back.";

pub(crate) fn crowd(trial: &Trial) -> Result<(), Finding> {
    let server = start(trial)?;
    let names = (1..=CROWD).map(|nth| format!("client {nth}"));
    let mut clients: Vec<Client<'_>> = Vec::new();
    for name in names {
        let client = server.connect(&name)?;
        let mut news = HashSet::from([client.address]);
        if let Some(first) = clients.first_mut() {
            let _ = hears_of(first, &mut news, Deadline::after(NEWS_TIME));
        }
        clients.push(client);
    }
    all_hear_the_first(&mut clients)?;
    let addresses: Vec<_> =
        clients.iter().map(|client| client.address.to_string()).collect();
    let until = Deadline::after(CROWD_TIME);
    for round in (1..=ROUNDS).take_while(|_| !until.is_over()) {
        trial.note(format!("each of the {CROWD} says a line"));
        for client in &mut clients {
            client.say(&format!("{SAID}{round} of mine\n"))?;
        }
        clients
            .iter_mut()
            .try_for_each(|client| hears_all(client, &addresses, round))?;
    }
    others_come(&server, clients)
}

/// All clients are in the room when they have heard the first one.
fn all_hear_the_first(clients: &mut [Client<'_>]) -> Result<(), Finding> {
    let Some((first, others)) = clients.split_first_mut() else {
        return Ok(());
    };
    let (text, until) = ("who hears me?", soon());
    let mut waiting: Vec<_> = others.iter_mut().collect();
    while !waiting.is_empty() {
        first.send(format!("{text}\n")).map_err(refused)?;
        let again = soon_again().min(until);
        let mut deaf = Vec::new();
        for other in waiting {
            match hears_at_all(other, first, text, again) {
                Ok(_) => {}
                Err(missed) if missed.end != ReadEnd::Silence => {
                    return Err(refused(missed.finding));
                }
                Err(_) => deaf.push(other),
            }
        }
        waiting = deaf;
        if until.is_over() && !waiting.is_empty() {
            return Err(not_all(&waiting));
        }
    }
    Ok(())
}

fn refused(finding: Finding) -> Finding {
    let came = format!("{}, with {CROWD} clients connected", finding.came);
    let means = "the server let a client go, who had said nothing. Perhaps it \
                 has room for fewer than 50, or threads or descriptors have \
                 run out.";
    Finding { came, ..finding.meaning(means) }
}

fn not_all(deaf: &[&mut Client<'_>]) -> Finding {
    let some: Vec<_> = deaf.iter().take(3).map(|c| c.name()).collect();
    Finding::new(
        format!(
            "{} of {} heard nothing in {ANSWER_TIME:?}: {} …",
            deaf.len(),
            CROWD - 1,
            some.join(", ")
        ),
        format!("all {CROWD} hear a line at once"),
        "not all clients are in the room at once. Perhaps there are too few \
         threads, or a limit is too low, or clients wait for each other: the \
         server asks one after the other whether there is something to read, \
         and waits for each.",
    )
}

/// Waits until `listener` has heard the lines of all others in a round.
fn hears_all(
    listener: &mut Client<'_>,
    addresses: &[String],
    round: usize,
) -> Result<(), Finding> {
    let own = listener.address.to_string();
    let others: HashSet<_> = addresses
        .iter()
        .map(String::as_str)
        .filter(|address| *address != own)
        .collect();
    let mut heard = HashSet::new();
    let name = listener.name().to_owned();
    let expected = format!("to {name}: a line of each of the others");
    let until = soon();
    while heard.len() < others.len() {
        let line = listener.line(until).map_err(|end| {
            let (some, all) = (heard.len(), others.len());
            let why = without_the_line(end);
            let came = format!("to {name}: {some} of {all} lines, then {why}");
            Finding::new(came, expected.as_str(), lost(end))
        })?;
        match said(&line, &others, round) {
            Said::By(sender) => drop(heard.insert(sender)),
            Said::Other => {}
            Said::Mixed => {
                let came = format!("to {name}: {}", quoted(&line));
                return Err(Finding::new(came, expected, MIXED));
            }
        }
    }
    Ok(())
}

/// What a line means that nobody has said.
const MIXED: &str = "nobody has said this line: two are mixed. Perhaps several \
                     threads write to one connection at the same time. A line \
                     must leave in one write, or under a lock.";

/// How a line of a round begins. What stands before it is the server's, and
/// hardly these words.
const SAID: &str = "this is round ";

/// A line that comes in a round.
enum Said<'a> {
    /// The line of somebody.
    By(&'a str),
    /// A notice, or something said before.
    Other,
    /// Nobody has said it.
    Mixed,
}

/// Who has said this line of the round.
fn said<'a>(line: &[u8], others: &HashSet<&'a str>, round: usize) -> Said<'a> {
    let text = String::from_utf8_lossy(line);
    let Some((head, end)) = text.split_once(SAID) else {
        return Said::Other;
    };
    let number = end.strip_suffix(" of mine").map(str::parse::<usize>);
    let mut senders = named(head, others).into_iter();
    match (senders.next(), senders.next(), number) {
        (Some(sender), None, Some(Ok(number))) if number == round => {
            Said::By(sender)
        }
        _ => Said::Mixed,
    }
}

/// Those of `addresses` that the text has, as `names` would find them. There
/// are many lines: each is searched once, and not once for each address.
fn named<'a>(text: &str, addresses: &HashSet<&'a str>) -> HashSet<&'a str> {
    // The clients of a room all come from one host.
    let first = addresses.iter().next();
    let Some((host, _)) = first.and_then(|a| a.rsplit_once(':')) else {
        return HashSet::new();
    };
    let host = &format!("{host}:");
    let address = |(at, _): (usize, _)| {
        let rest = &text[at + host.len()..];
        let end = rest.find(|next: char| !next.is_ascii_digit());
        let end = end.map_or(text.len(), |end| at + host.len() + end);
        addresses.get(&text[at..end]).copied()
    };
    text.match_indices(host).filter_map(address).collect()
}

fn lost(end: ReadEnd) -> &'static str {
    match end {
        ReadEnd::End | ReadEnd::Reset => {
            "the server closed the connection of a client who listens. If \
             each has a queue, it is perhaps too short: 200 lines must fit."
        }
        _ => {
            "lines are lost when several clients talk at the same time, or \
             clients wait for each other, or there are perhaps not enough \
             threads for all."
        }
    }
}

/// When most have left, others come in their place, again and again.
fn others_come<'t>(
    server: &'t Server<'_>,
    mut clients: Vec<Client<'t>>,
) -> Result<(), Finding> {
    let mut present = clients.split_off(2);
    let mut stay = clients;
    let [a, b] = &mut stay[..] else { return Ok(()) };
    for time in 1..=TIMES {
        a.note(format!(
            "all but two leave, half of them by a reset; {NEXT} others come"
        ));
        gone(present, a, b)?;
        present = come(server, NEXT, a, b).map_err(|finding| {
            let all = CROWD + time * NEXT;
            let came = format!("{}, after some {all} clients", finding.came);
            Finding { came, ..finding }
        })?;
        server.trial.grant(MORE_TIME);
    }
    gone(present, a, b)?;
    introduce(a, b)
}

/// They leave, every second one by a reset, and both who stay are told of each.
fn gone<'t>(
    guests: Vec<Client<'_>>,
    a: &mut Client<'t>,
    b: &mut Client<'t>,
) -> Result<(), Finding> {
    let all: HashSet<_> = guests.iter().map(|guest| guest.address).collect();
    let mut orderly = Vec::new();
    for (nth, mut guest) in guests.into_iter().enumerate() {
        if nth % 2 == 0 {
            guest.reset_unnoted();
        } else {
            guest.end_unnoted();
            // Not closed yet: with something unread, that would be a reset.
            orderly.push(guest);
        }
    }
    for listener in [a, b] {
        let mut missing = all.clone();
        if let Err(end) = hears_of(listener, &mut missing, soon()) {
            let means = "many left at the same time, every second one by a \
                         reset, and not all of that was told. Perhaps a write \
                         to one who was gone has failed, and ended a thread, \
                         or poisoned a lock.";
            return Err(not_told(listener, &missing, "left", end, means));
        }
    }
    Ok(())
}

/// So many come. Whoever is refused asks again, for some seconds.
fn come<'t>(
    server: &'t Server<'_>,
    count: usize,
    a: &mut Client<'t>,
    b: &mut Client<'t>,
) -> Result<Vec<Client<'t>>, Finding> {
    let until = soon();
    let mut coming = Coming::default();
    loop {
        coming.connect(server, count, a)?;
        let again = soon_again().min(until);
        let ends = [
            hears_of(a, &mut coming.to_a, again).err(),
            hears_of(b, &mut coming.to_b, again).err(),
        ];
        let ([Some(end), _] | [None, Some(end)]) = ends else {
            return Ok(coming.guests);
        };
        if until.is_over() || end != ReadEnd::Silence {
            let missing = match ends[0] {
                Some(_) => not_told(a, &coming.to_a, "come", end, FULL),
                None => not_told(b, &coming.to_b, "come", end, FULL),
            };
            return Err(missing);
        }
        coming.drop_refused();
    }
}

/// Guests who have connected, and those of whom A and B have not heard yet.
#[derive(Default)]
struct Coming<'t> {
    guests: Vec<Client<'t>>,
    to_a: HashSet<SocketAddr>,
    to_b: HashSet<SocketAddr>,
}

impl<'t> Coming<'t> {
    /// Connects as many as are wanting. A hears of some in between: so nobody
    /// is far behind.
    fn connect(
        &mut self,
        server: &'t Server<'_>,
        count: usize,
        a: &mut Client<'t>,
    ) -> Result<(), Finding> {
        while self.guests.len() < count {
            let guest = server.connect_unnoted("a guest")?;
            self.to_a.insert(guest.address);
            self.to_b.insert(guest.address);
            self.guests.push(guest);
            if self.guests.len().is_multiple_of(GROUP) {
                let until = Deadline::after(GROUP_TIME);
                let _ = hears_of(a, &mut self.to_a, until);
            }
        }
        Ok(())
    }

    /// Forgets those whose connection was ended before they were announced.
    fn drop_refused(&mut self) {
        let (to_a, to_b) = (&mut self.to_a, &mut self.to_b);
        self.guests.retain_mut(|guest| {
            let own = guest.address;
            let refused = to_a.contains(&own) && guest.has_ended();
            if refused {
                to_a.remove(&own);
                to_b.remove(&own);
            }
            !refused
        });
    }
}

/// Hears the room until each of these addresses was named.
pub(crate) fn hears_of(
    listener: &mut Client<'_>,
    missing: &mut HashSet<SocketAddr>,
    until: Deadline,
) -> Result<(), ReadEnd> {
    while !missing.is_empty() {
        let line = listener.line(until)?;
        let line = String::from_utf8_lossy(&line);
        missing.retain(|address| !names(&line, &address.to_string()));
    }
    Ok(())
}

pub(crate) fn not_told(
    listener: &Client<'_>,
    missing: &HashSet<SocketAddr>,
    what: &str,
    end: ReadEnd,
    means: &str,
) -> Finding {
    let name = listener.name();
    Finding::new(
        format!(
            "to {name}: {}; nothing of {} clients",
            without_the_line(end),
            missing.len()
        ),
        format!("to {name}: a line for each client who has {what}"),
        if end == ReadEnd::Silence { means } else { lost(end) },
    )
}
