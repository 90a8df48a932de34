//! The bank: answers whose verdict is known prove the checks.
//!
//! What stands in `right/` and `odd/` climbs its whole ladder. What stands in
//! `wrong/` falls off it: on its own rung, and for the right reason.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread::{self, Builder};

use assert_cmd::cargo::cargo_bin;
use checks::{ALL, Exercise, Outcome};

/// How many answers are judged at the same time. They mostly wait.
const AT_ONCE: usize = 8;

/// The wrong answers: the program, the rung that rejects it, and words of the
/// message that show that it was rejected for its mistake.
const WRONG: &[(&str, &str, &str)] = &[
    ("ex01_dropped", "it starts", "the listener is gone"),
    ("ex01_wildcard_hidden", "it starts", "binds 0.0.0.0"),
    ("ex01_takes_all", "it starts", "goes on after the first success"),
    (
        "ex01_any_port",
        "taken ports are passed over",
        "the next one is tried, in steps of one",
    ),
    ("ex01_prints_p", "taken ports are passed over", "the one that was got"),
    ("ex01_exit_zero", "all taken: exit code 1 and why", "exit status: 0"),
    (
        "ex01_panics_at_the_end",
        "all taken: exit code 1 and why",
        "exit status: 101",
    ),
    ("ex01_one_less", "N tries, not one more or less", "one port too few"),
    ("ex01_one_more", "N tries, not one more or less", "one port too many"),
    ("ex01_not_the_last", "no port after 65535", "65535 is a port like others"),
    ("ex01_overflow", "no port after 65535", "does not fit into a u16"),
    (
        "ex01_connect",
        "nobody answers, and still taken",
        "connects to see whether",
    ),
    (
        "ex01_collect",
        "bind is the only look",
        "In between somebody else has taken it",
    ),
    ("ex01_probe", "bind is the only look", "or binds it twice"),
    ("ex02_port_zero", "it starts", "local_addr"),
    ("ex02_eight_bytes", "four bytes, then the end", "a number of 64 bits"),
    (
        "ex02_never_closes",
        "four bytes, then the end",
        "does not close the connection",
    ),
    ("ex02_text", "four bytes, then the end", "sent as text"),
    (
        "ex02_waits_first",
        "four bytes, then the end",
        "waits for the client to say something",
    ),
    ("ex02_epoch_1970", "seconds since 1900, big-endian", "counted from 1970"),
    (
        "ex02_leap_days",
        "seconds since 1900, big-endian",
        "a leap day is counted",
    ),
    (
        "ex02_little_endian",
        "seconds since 1900, big-endian",
        "in the wrong order",
    ),
    ("ex02_clock_at_start", "the time of now", "read for each client anew"),
    ("ex02_ten_clients", "one after the other", "after some clients"),
    (
        "ex02_turns_away",
        "a client who talks gets the time, too",
        "without an answer",
    ),
    (
        "ex02_endless_wait",
        "a client who stays holds up nobody",
        "waits for a client to hang up",
    ),
    ("ex02_flood", "a bad client harms nobody", "for as long as it comes"),
    ("ex02_unwrap_write", "a bad client harms nobody", "unwrap"),
    ("ex03_serial", "two at once", "one client at a time"),
    ("ex03_serial_short", "two at once", "a thread of their own"),
    (
        "ex03_echo_sender",
        "to everyone else, with the address",
        "Leave the sender out",
    ),
    (
        "ex03_no_address",
        "to everyone else, with the address",
        "must begin with the address",
    ),
    (
        "ex03_receivers_address",
        "to everyone else, with the address",
        "must begin with the address",
    ),
    ("ex03_left_orderly", "who comes and goes is told", "D has left"),
    (
        "ex03_no_came",
        "who comes and goes is told",
        "not told when somebody comes",
    ),
    ("ex03_chunks", "lines, not chunks", "taken for one line"),
    (
        "ex03_first_line",
        "lines, not chunks",
        "half a line, or half a character",
    ),
    ("ex03_half_line", "lines, not chunks", "BufRead::lines"),
    ("ex03_lossy_chunks", "lines, not chunks", "once and unchanged"),
    ("ex03_mixed_lines", "a crowd", "several threads write"),
    ("ex03_pool_ten", "a crowd", "too few threads"),
    (
        "ex03_slow_queue",
        "a client who does not read holds up nobody",
        "the write to S waits",
    ),
    (
        "ex03_slow_reader",
        "a client who does not read holds up nobody",
        "the write to S waits",
    ),
    (
        "ex03_dead_write_ends_server",
        "a bad client harms nobody",
        "one client's trouble has hit others",
    ),
    (
        "ex03_invalid_utf8",
        "a bad client harms nobody",
        "one client's trouble has hit others",
    ),
    (
        "ex03_utf8_ends_thread",
        "a bad client harms nobody",
        "a line with 127.0.0.1",
    ),
    ("ex04_buffered_output", "one message", "keeps its output in a buffer"),
    ("ex04_waits_for_end", "one message", "only when the connection ends"),
    (
        "ex04_one_read_one_frame",
        "several in one segment",
        "the beginning of the next",
    ),
    ("ex04_header_in_one_read", "one in many segments", "or for one length"),
    ("ex04_message_in_one_read", "one in many segments", "only a part"),
    ("ex04_counts_characters", "octets, not characters", "It counts octets"),
    ("ex04_prints_raw", "octets, not characters", "printed as it is"),
    ("ex04_stops_at_line_feed", "octets, not characters", "taken for the end"),
    ("ex04_unwraps_utf8", "octets, not characters", "need not be UTF-8"),
    ("ex04_pool_of_four", "many at once", "one sender at a time, or a few"),
    ("ex04_serial", "many at once", "one sender at a time"),
    (
        "ex04_bad_length_ends_server",
        "bad lengths",
        "more than its own connection",
    ),
    (
        "ex04_endless_digits",
        "bad lengths",
        "waits for a space that may never come",
    ),
    ("ex04_lets_parse_judge", "bad lengths", "takes \"+7\" for a number"),
    ("ex04_refuses_the_limit", "bad lengths", "is not over it"),
    ("ex04_trusts_length", "bad lengths", "believes any length"),
    (
        "ex04_cut_ends_server",
        "a bad sender harms nobody",
        "one sender's trouble",
    ),
    ("ex04_prints_cut", "a bad sender harms nobody", "as if it were whole"),
    ("ex05_all_texts", "the menu", "type 0 for sub"),
    ("ex05_no_tabs", "the menu", "each after one tab"),
    ("ex05_port_70", "the menu", "127.0.0.1:70"),
    ("ex05_bare_line_feed", "texts", "each line ends with"),
    ("ex05_no_final_dot", "texts", "is missing"),
    ("ex05_no_stuffing", "texts", "dot-stuffing"),
    ("ex05_single_read", "texts", "It may come in pieces"),
    (
        "ex05_dot_after_binary",
        "other files, byte for byte",
        "sent after the file",
    ),
    ("ex05_first_64k", "other files, byte for byte", "only a part was sent"),
    (
        "ex05_read_to_string",
        "other files, byte for byte",
        "not every file is UTF-8",
    ),
    ("ex05_flat_selectors", "folders in folders", "your own menu"),
    (
        "ex05_absolute",
        "nothing outside the folder",
        "an absolute path replaces",
    ),
    (
        "ex05_dot_dot",
        "nothing outside the folder",
        "Each .. leads one folder up",
    ),
    ("ex05_links", "nothing outside the folder", "a symbolic link"),
    ("ex05_missing_ends", "nothing outside the folder", "no reason to panic"),
    ("ex05_string_prefix", "nothing outside the folder", "compared as strings"),
    ("ex05_lock_while_sending", "many at once", "or do not read"),
    ("ex05_serial", "many at once", "one client at a time"),
    ("ex05_reset_ends", "a bad client harms nobody", "the program or its loop"),
    ("ex05_selector_unwrap", "a bad client harms nobody", "asks for nonsense"),
];

/// The names of the programs in a folder, such as `ex03_serial`.
fn programs(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn exercise_of(program: &str) -> &'static Exercise {
    ALL.into_iter().find(|e| program.starts_with(e.name)).unwrap()
}

/// Climbs with each program of a folder, and returns what `judge` complains
/// about.
fn judge_all(
    folder: &str,
    judge: impl Fn(&str, Outcome) -> Result<(), String> + Sync,
) -> Vec<String> {
    // In any order: not all answers to one exercise at the same time.
    let programs: HashSet<_> = programs(folder).into_iter().collect();
    let programs = Mutex::new(programs.into_iter().collect());
    let complaints = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let judges = || {
                while let Some(name) = next(&programs) {
                    let path = cargo_bin(format!("{folder}_{name}"));
                    let outcome =
                        checks::climb(exercise_of(&name), &path, |_| {});
                    if let Err(complaint) = judge(&name, outcome) {
                        let text = format!("{folder}/{name}.rs {complaint}");
                        complaints.lock().unwrap().push(text);
                    }
                }
            };
            Builder::new().spawn_scoped(scope, judges).unwrap();
        }
    });
    complaints.into_inner().unwrap()
}

fn next(programs: &Mutex<Vec<String>>) -> Option<String> {
    programs.lock().unwrap().pop()
}

fn climbs(_: &str, outcome: Outcome) -> Result<(), String> {
    let fall = outcome.fall.map(|fall| format!("is right, and fell:\n{fall}"));
    fall.map_or(Ok(()), Err)
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n\n"));
}

#[test]
fn right_answers_climb_every_rung() {
    assert_none(&judge_all("right", climbs));
}

#[test]
fn odd_but_right_answers_climb_every_rung() {
    assert_none(&judge_all("odd", climbs));
}

#[test]
fn wrong_answers_fall_on_their_rung_and_for_their_mistake() {
    let complaints = judge_all("wrong", |name, outcome| {
        let (_, rung, words) = WRONG.iter().find(|(n, ..)| *n == name).unwrap();
        let Some(fall) = outcome.fall else {
            return Err(format!("is wrong, and was not rejected at {rung:?}"));
        };
        // The message is wrapped: its words count, not its lines.
        let message = fall.to_string();
        let said = message.split_whitespace().collect::<Vec<_>>().join(" ");
        if fall.name != *rung || !said.contains(words) {
            return Err(format!(
                "should fall on {rung:?} with {words:?}:\n{message}"
            ));
        }
        Ok(())
    });

    assert_none(&complaints);
}

#[test]
fn each_exercise_has_its_right_odd_and_wrong_answers() {
    let named: BTreeSet<_> =
        WRONG.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(named, programs("wrong"), "the list and the folder differ");
    for exercise in ALL {
        let count = |folder| {
            let all = programs(folder);
            all.iter().filter(|name| name.starts_with(exercise.name)).count()
        };
        assert_eq!(count("right"), 1, "{}", exercise.name);
        assert!(count("odd") >= 2, "{}", exercise.name);
        assert!(count("wrong") >= 8, "{}", exercise.name);
        // From the second on, a wrong answer stands for each rung.
        for rung in &exercise.rungs[1..] {
            let rejects = WRONG.iter().any(|(name, on, _)| {
                name.starts_with(exercise.name) && *on == rung.name
            });
            assert!(
                rejects,
                "{}: nothing falls on {}",
                exercise.name, rung.name
            );
        }
    }
}
