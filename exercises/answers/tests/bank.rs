//! The bank: answers whose verdict is known prove the checks.
//!
//! What stands in `right/` and `odd/` climbs its whole ladder, and so do the
//! programs in `variants/`. Started under the name of a mistake, each of these
//! falls: on the mistake's own rung, and for the right reason. Started under
//! the name of an oddity, it climbs all the same.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::env::{self, consts::EXE_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder};

use assert_cmd::cargo::cargo_bin;
use checks::{ALL, Exercise, Outcome};
use tempfile::TempDir;

/// How many answers that climb are judged at the same time: they are busy.
const CLIMBERS: usize = 5;

/// How many wrong ones meanwhile. They mostly wait, for what never comes.
const FALLERS: usize = 16;

/// The exercises in the order in which their answers are begun: first those
/// that wait longest, last those that need a machine that is not too busy.
const ORDER: [&str; 5] = ["ex03", "ex04", "ex05", "ex02", "ex01"];

/// The wrong answers: the mistake, the rung that rejects it, and words of the
/// message that show that it was rejected for just that.
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
    ("ex05_host_ignored", "it starts", "does not listen where --host says"),
    (
        "ex05_port_ignored",
        "it starts",
        "does not use the port that --port gives",
    ),
    ("ex05_says_what_it_was_told", "it starts", "the port that was asked for"),
    ("ex05_all_texts", "the menu", "type 0 for"),
    ("ex05_any_name", "the menu", "a tab or a line end in it breaks"),
    ("ex05_ascii", "the menu", "in UTF-8, with all its letters"),
    ("ex05_cut_letter", "the menu", "a letter that never ends"),
    ("ex05_dir_required", "the menu", "without --dir"),
    ("ex05_empty_is_none", "the menu", "an empty file is a text"),
    ("ex05_first_bytes", "the menu", "only its beginning was looked at"),
    ("ex05_five_fields", "the menu", "four fields"),
    ("ex05_host_fixed", "the menu", "HOST is the address alone"),
    ("ex05_letters_in_pieces", "the menu", "across the border of two"),
    ("ex05_lists_all", "the menu", "neither a file nor a folder"),
    ("ex05_menu_has_a_name", "the menu", "answered with an error"),
    ("ex05_menu_line_feed", "the menu", "or ends with \\n alone"),
    ("ex05_menu_once", "the menu", "the menu is made once"),
    ("ex05_menu_without_dot", "the menu", "the last line is missing"),
    ("ex05_never_closes", "the menu", "the connection was not closed"),
    ("ex05_no_hidden", "the menu", "begin with a dot are left out"),
    ("ex05_no_tabs", "the menu", "each after one tab"),
    ("ex05_port_70", "the menu", "127.0.0.1:70"),
    ("ex05_root_of_all", "the menu", "without --dir"),
    ("ex05_space", "the menu", "directly behind TYPE"),
    ("ex05_stem", "the menu", "NAME is not the file's name"),
    ("ex05_twice", "the menu", "2 entries with the name"),
    ("ex05_type_by_name", "the menu", "guessed from the name"),
    ("ex05_waits_for_end", "the menu", "for the end of what the client sends"),
    ("ex05_zero_is_text", "the menu", "a zero byte in it"),
    ("ex05_bare_line_feed", "texts", "each line ends with"),
    ("ex05_empty_silence", "texts", "its answer is the dot alone"),
    ("ex05_keeps_returns", "texts", "one more \\r"),
    ("ex05_last_line_open", "texts", "the last line has no end"),
    ("ex05_lines_of_8k", "texts", "each piece was taken for whole lines"),
    ("ex05_lone_dot", "texts", "dot-stuffing"),
    ("ex05_no_final_dot", "texts", "is missing"),
    ("ex05_no_mark", "texts", "each line is sent as it is"),
    ("ex05_no_stuffing", "texts", "dot-stuffing"),
    ("ex05_single_read", "texts", "It may come in pieces"),
    ("ex05_splits_lines", "texts", "ended at another character"),
    ("ex05_text_once", "texts", "kept from before"),
    (
        "ex05_dot_after_binary",
        "other files, byte for byte",
        "sent after the file",
    ),
    ("ex05_first_64k", "other files, byte for byte", "only a part was sent"),
    ("ex05_lossy", "other files, byte for byte", "taken for text"),
    (
        "ex05_read_to_string",
        "other files, byte for byte",
        "not every file is UTF-8",
    ),
    ("ex05_decodes_all", "folders in folders", "decoded as in the Web"),
    ("ex05_empty_folder", "folders in folders", "an empty folder is a folder"),
    ("ex05_flat_selectors", "folders in folders", "does not know it"),
    ("ex05_limit_255", "folders in folders", "the limit for a selector"),
    ("ex05_limit_with_end", "folders in folders", "without the line's end"),
    ("ex05_name_unwrap", "folders in folders", "whose name is not UTF-8"),
    (
        "ex05_refuses_two_dots",
        "folders in folders",
        "a name that is .. leads up",
    ),
    ("ex05_root_as_given", "folders in folders", "have to be canonical"),
    ("ex05_slashes_all", "folders in folders", "the mark between two names"),
    ("ex05_small_letters", "folders in folders", "made small"),
    ("ex05_trims", "folders in folders", "the selector was trimmed"),
    (
        "ex05_absolute",
        "nothing outside the folder",
        "an absolute path replaces",
    ),
    ("ex05_backslash", "nothing outside the folder", "was made a / after"),
    ("ex05_cuts_dots", "nothing outside the folder", "cut out of the selector"),
    (
        "ex05_dot_dot",
        "nothing outside the folder",
        "Each .. leads one folder up",
    ),
    ("ex05_error_alone", "nothing outside the folder", "and then the dot"),
    (
        "ex05_error_and_more",
        "nothing outside the folder",
        "one line with four fields",
    ),
    (
        "ex05_error_remark",
        "nothing outside the folder",
        "a line of type 3, and no other",
    ),
    (
        "ex05_error_words",
        "nothing outside the folder",
        "one line with four fields",
    ),
    ("ex05_hangs_up", "nothing outside the folder", "closed without an answer"),
    ("ex05_links", "nothing outside the folder", "a symbolic link"),
    ("ex05_missing_ends", "nothing outside the folder", "no reason to panic"),
    (
        "ex05_one_slash",
        "nothing outside the folder",
        "an absolute path replaces",
    ),
    (
        "ex05_opens_pipes",
        "nothing outside the folder",
        "waits for its other end",
    ),
    ("ex05_percent", "nothing outside the folder", "%2e is a dot then"),
    (
        "ex05_reads_link",
        "nothing outside the folder",
        "a link that stays inside",
    ),
    (
        "ex05_refuses_silently",
        "nothing outside the folder",
        "closed without an answer",
    ),
    ("ex05_string_prefix", "nothing outside the folder", "compared as strings"),
    (
        "ex05_counts_in_a_byte",
        "many at once",
        "the 300th is served like the first",
    ),
    ("ex05_half_line_holds", "many at once", "in the middle of a selector"),
    ("ex05_impatient", "many at once", "given up too soon"),
    ("ex05_impatient_write", "many at once", "a time-out of a write"),
    ("ex05_line_in_a_second", "many at once", "given up too soon"),
    ("ex05_lock_while_sending", "many at once", "or do not read"),
    ("ex05_pool_of_forty", "many at once", "one client at a time, or to a few"),
    ("ex05_serial", "many at once", "one client at a time"),
    ("ex05_endless", "a bad client harms nobody", "Set a limit"),
    ("ex05_half_line", "a bad client harms nobody", "after half a selector"),
    ("ex05_lost_places", "a bad client harms nobody", "threads or places"),
    (
        "ex05_reset_ends",
        "a bad client harms nobody",
        "where a client may be gone",
    ),
    ("ex05_selector_unwrap", "a bad client harms nobody", "asks for nonsense"),
];

/// The odd answers that are no program of their own.
const ODD: &[&str] = &[
    "ex01_accepts",
    "ex01_loud",
    "ex01_slice",
    "ex01_steps",
    "ex02_drip",
    "ex02_loud",
    "ex03_bytewise",
    "ex03_late_loud",
    "ex04_bytewise",
    "ex04_late_loud",
    "ex04_pool",
    "ex05_bytewise",
    "ex05_fifty",
    "ex05_late",
    "ex05_numbers",
    "ex05_remarks",
];

/// An answer: its name, such as `ex03_serial`, and the path of its program.
type Answer = (String, PathBuf);

/// The programs in a folder.
fn programs(folder: &str) -> Vec<Answer> {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::read_dir(files)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .map(|name| (name.clone(), cargo_bin(format!("{folder}_{name}"))))
        .collect()
}

/// The programs in `variants/`, each under one of these names: it looks at its
/// own name. They are gone with the folder that is returned, too.
fn started_as(names: &[&str]) -> (TempDir, Vec<Answer>) {
    // On the disk of the programs: a link needs no time, and no room.
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let link = |name: &&str| {
        let program = cargo_bin(format!("variants_{}", exercise_of(name).name));
        let path = folder.path().join(format!("{name}{EXE_SUFFIX}"));
        fs::hard_link(&program, &path)
            .or_else(|_| fs::copy(&program, &path).map(drop))
            .unwrap();
        ((*name).to_owned(), path)
    };
    let answers = names.iter().map(link).collect();
    (folder, answers)
}

fn exercise_of(answer: &str) -> &'static Exercise {
    ALL.into_iter().find(|e| answer.starts_with(e.name)).unwrap()
}

/// Climbs with each answer, so many at once, and returns what `judge` complains
/// about.
fn judge_all(
    answers: Vec<Answer>,
    at_once: usize,
    judge: impl Fn(&str, Outcome) -> Result<(), String> + Sync,
) -> Vec<String> {
    // `ONLY=ex03` judges the answers whose names begin so.
    let only = env::var("ONLY").unwrap_or_default();
    let ours = |(name, _): &Answer| name.starts_with(&only);
    let answers = answers.into_iter().filter(ours);
    // Those to one exercise in any order. The last one is begun first.
    let answers: HashMap<_, _> = answers.collect();
    let mut answers: Vec<_> = answers.into_iter().collect();
    let place =
        |name: &str| ORDER.iter().position(|e| *e == exercise_of(name).name);
    answers.sort_by_key(|(name, _)| Reverse(place(name)));
    let answers = Mutex::new(answers);
    let complaints = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            let judges = || {
                while let Some((name, path)) = next(&answers) {
                    let outcome =
                        checks::climb(exercise_of(&name), &path, |_| {});
                    if let Err(complaint) = judge(&name, outcome) {
                        let text = format!("{name} {complaint}");
                        complaints.lock().unwrap().push(text);
                    }
                }
            };
            Builder::new().spawn_scoped(scope, judges).unwrap();
        }
    });
    complaints.into_inner().unwrap()
}

/// Climbs with answers that have no mistake.
fn judge_climbers(answers: Vec<Answer>) -> Vec<String> {
    // These tests take turns: together they would be too many at once.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    judge_all(answers, CLIMBERS, climbs)
}

fn next(answers: &Mutex<Vec<Answer>>) -> Option<Answer> {
    answers.lock().unwrap().pop()
}

fn climbs(_: &str, outcome: Outcome) -> Result<(), String> {
    let fall = outcome.fall.map(|fall| format!("is right, and fell:\n{fall}"));
    fall.map_or(Ok(()), Err)
}

/// The names that stand in the programs in `variants/` as `word("name")`, each
/// as often as it does.
fn marked(word: &str) -> Vec<String> {
    let mut names = Vec::new();
    for exercise in ALL {
        let file = format!("variants/{}.rs", exercise.name);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let source = fs::read_to_string(file).unwrap();
        for mark in source.split(&format!("{word}(\"")).skip(1) {
            let (name, _) = mark.split_once('"').unwrap();
            assert!(name.starts_with(exercise.name), "{name} stands elsewhere");
            names.push(name.to_owned());
        }
    }
    names
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n\n"));
}

#[test]
fn right_answers_climb_every_rung() {
    assert_none(&judge_climbers(programs("right")));
}

/// So it is its one mistake that makes each wrong answer fall.
#[test]
fn a_variant_without_a_mistake_climbs_every_rung() {
    assert_none(&judge_climbers(programs("variants")));
}

#[test]
fn odd_but_right_answers_climb_every_rung() {
    let (_folder, mut answers) = started_as(ODD);
    answers.extend(programs("odd"));

    assert_none(&judge_climbers(answers));
}

#[test]
fn a_wrong_answer_falls_on_its_rung_and_for_its_mistake() {
    let names: Vec<_> = WRONG.iter().map(|(name, ..)| *name).collect();
    let (_folder, answers) = started_as(&names);

    let complaints = judge_all(answers, FALLERS, |name, outcome| {
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
fn each_name_has_its_place_in_a_variant_and_each_place_its_name() {
    let wrong: Vec<_> = WRONG.iter().map(|(name, ..)| *name).collect();
    let (mistakes, oddities) = (marked("mistake"), marked("oddity"));

    assert_same("WRONG and the mistakes", &wrong, &mistakes);
    assert_same("ODD and the oddities", ODD, &oddities);
    let places = mistakes.iter().collect::<BTreeSet<_>>();
    assert_eq!(places.len(), mistakes.len(), "a mistake is one place alone");
}

#[track_caller]
fn assert_same(what: &str, names: &[&str], marked: &[String]) {
    let marked: BTreeSet<_> = marked.iter().map(String::as_str).collect();
    let listed: BTreeSet<_> = names.iter().copied().collect();
    let differ: Vec<_> = listed.symmetric_difference(&marked).collect();
    assert!(differ.is_empty(), "{what} differ: {differ:?}");
    assert_eq!(listed.len(), names.len(), "a name is listed twice");
}

#[test]
fn each_exercise_has_its_right_odd_and_wrong_answers() {
    for exercise in ALL {
        let of_it = |name: &str| name.starts_with(exercise.name);
        let count =
            |all: Vec<Answer>| all.iter().filter(|a| of_it(&a.0)).count();
        let switched = ODD.iter().filter(|name| of_it(name)).count();
        let wrong = WRONG.iter().filter(|(name, ..)| of_it(name)).count();
        assert_eq!(count(programs("right")), 1, "{}", exercise.name);
        assert!(switched + count(programs("odd")) >= 2, "{}", exercise.name);
        assert!(wrong >= 8, "{}", exercise.name);
        // From the second on, a wrong answer stands for each rung.
        for rung in &exercise.rungs[1..] {
            let rejects = WRONG
                .iter()
                .any(|(name, on, _)| of_it(name) && *on == rung.name);
            assert!(
                rejects,
                "{}: nothing falls on {}",
                exercise.name, rung.name
            );
        }
    }
}
