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
use std::env::consts::EXE_SUFFIX;
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
    ("ex01_on_stderr", "it starts", "the line stands on stderr"),
    ("ex01_one_visit", "it starts", "ends after the first client"),
    ("ex01_other_default", "it starts", "without --from, P is 8080"),
    ("ex01_takes_all", "it starts", "goes on after the first success"),
    ("ex01_wildcard_hidden", "it starts", "binds 0.0.0.0"),
    ("ex01_any_port", "taken ports are passed over", "none of P to P+N-1"),
    (
        "ex01_gives_up",
        "taken ports are passed over",
        "gives up at the first error of bind",
    ),
    (
        "ex01_nap",
        "taken ports are passed over",
        "some time after it has said where",
    ),
    (
        "ex01_prints_p",
        "taken ports are passed over",
        "and not the one that it got",
    ),
    ("ex01_two_steps", "taken ports are passed over", "in steps of one"),
    (
        "ex01_debug",
        "all taken: exit code 1 and why",
        "the words on stderr are not yours",
    ),
    (
        "ex01_exit_zero",
        "all taken: exit code 1 and why",
        "0 is the code of success",
    ),
    (
        "ex01_listens_to_nothing",
        "all taken: exit code 1 and why",
        "says that it listens, and does not",
    ),
    (
        "ex01_panics_at_the_end",
        "all taken: exit code 1 and why",
        "the program panicked",
    ),
    (
        "ex01_why_on_stdout",
        "all taken: exit code 1 and why",
        "nothing stands on stderr",
    ),
    (
        "ex01_byte_tries",
        "N tries, not one more or less",
        "a type that is too small",
    ),
    (
        "ex01_eleven",
        "N tries, not one more or less",
        "without --tries, N is 10",
    ),
    ("ex01_five", "N tries, not one more or less", "without --tries, N is 10"),
    ("ex01_one_less", "N tries, not one more or less", "one port too few"),
    ("ex01_one_more", "N tries, not one more or less", "one port too many"),
    ("ex01_not_the_last", "no port after 65535", "a port like others"),
    ("ex01_overflow", "no port after 65535", "panicked behind 65535"),
    ("ex01_wraps", "no port after 65535", "began again at 0"),
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
    ("ex01_twice", "bind is the only look", "or binds it twice"),
    ("ex01_udp_look", "bind is the only look", "at UDP, or at 0.0.0.0"),
    ("ex01_wildcard_look", "bind is the only look", "at UDP, or at 0.0.0.0"),
    ("ex02_everywhere", "it starts", "every address of the machine"),
    ("ex02_ignores_host", "it starts", "It is --host that says where"),
    (
        "ex02_ignores_port",
        "it starts",
        "does not use the port that --port gives",
    ),
    ("ex02_on_stderr", "it starts", "the line stands on stderr"),
    ("ex02_other_default", "it starts", "without --port 8080"),
    ("ex02_other_default_host", "it starts", "without --host it is 127.0.0.1"),
    ("ex02_port_zero", "it starts", "local_addr"),
    ("ex02_eight_bytes", "four bytes, then the end", "a number of 64 bits"),
    (
        "ex02_end_is_gone",
        "four bytes, then the end",
        "the end of the client's side",
    ),
    ("ex02_line_end", "four bytes, then the end", "perhaps a line end"),
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
    (
        "ex02_local_time",
        "seconds since 1900, big-endian",
        "another zone than UTC",
    ),
    (
        "ex02_clock_at_start",
        "the time of now",
        "the clock is read once, at the start",
    ),
    ("ex02_clock_before_accept", "the time of now", "before `accept`"),
    ("ex02_rounded", "the time of now", "rounded"),
    ("ex02_byte_counter", "one after the other", "client 256:"),
    ("ex02_ten_clients", "one after the other", "client 11:"),
    (
        "ex02_no_linger",
        "a client who talks gets the time, too",
        "then a reset of the connection",
    ),
    (
        "ex02_reads_once",
        "a client who talks gets the time, too",
        "a lingering close",
    ),
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
    (
        "ex02_pool_of_four",
        "a client who stays holds up nobody",
        "while others stayed",
    ),
    (
        "ex02_timeout_each",
        "a client who stays holds up nobody",
        "All of them together need one",
    ),
    ("ex02_flood", "a bad client harms nobody", "for as long as it comes"),
    ("ex02_unwrap_read", "a bad client harms nobody", "unwrap or ?"),
    ("ex02_unwrap_write", "a bad client harms nobody", "unwrap or ?"),
    ("ex03_ignores_host", "it starts", "an address of its own choice"),
    ("ex03_ignores_port", "it starts", "the port that --port gives"),
    ("ex03_prints_port_asked", "it starts", "the port that was asked for"),
    ("ex03_no_brackets", "it starts", "does not stand alone behind the tag"),
    ("ex03_serial", "two at once", "one client at a time"),
    ("ex03_serial_short", "two at once", "a thread of their own"),
    ("ex03_one_behind", "two at once", "only when the next one comes"),
    ("ex03_no_line_feed", "two at once", "no line feed behind it"),
    ("ex03_silence_ends", "two at once", "a read has a time-out"),
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
    (
        "ex03_address_behind",
        "to everyone else, with the address",
        "something stands behind the text",
    ),
    (
        "ex03_one_listener",
        "to everyone else, with the address",
        "does not bring the line to the others",
    ),
    (
        "ex03_twice",
        "to everyone else, with the address",
        "holds a client twice",
    ),
    (
        "ex03_no_came",
        "who comes and goes is told",
        "not told when somebody comes",
    ),
    (
        "ex03_came_nameless",
        "who comes and goes is told",
        "or not with the address",
    ),
    (
        "ex03_no_left",
        "who comes and goes is told",
        "not told when somebody leaves",
    ),
    (
        "ex03_half_close_stays",
        "who comes and goes is told",
        "C has ended the sending side",
    ),
    ("ex03_left_orderly", "who comes and goes is told", "E broke off"),
    (
        "ex03_removes_last",
        "who comes and goes is told",
        "the wrong one was taken off the list",
    ),
    ("ex03_chunks", "lines, not chunks", "taken for one line"),
    (
        "ex03_first_line",
        "lines, not chunks",
        "half a line, or half a character",
    ),
    ("ex03_half_line", "lines, not chunks", "BufRead::lines"),
    ("ex03_half_times_out", "lines, not chunks", "a read has a time-out"),
    ("ex03_lossy_chunks", "lines, not chunks", "once and unchanged"),
    (
        "ex03_ascii",
        "lines, not chunks",
        "letters that are not ASCII were changed",
    ),
    (
        "ex03_keeps_return",
        "lines, not chunks",
        "was taken for a part of the line",
    ),
    ("ex03_limit_512", "lines, not chunks", "the limit is too low"),
    ("ex03_limit_with_end", "lines, not chunks", "counts the line's end"),
    ("ex03_trims", "lines, not chunks", "Perhaps it was trimmed"),
    ("ex03_bare_return", "lines, not chunks", "only a \\r right before"),
    ("ex03_unicode_ends", "lines, not chunks", "other ends of lines"),
    ("ex03_other_order", "lines, not chunks", "in another order"),
    (
        "ex03_empty_line_ends",
        "lines, not chunks",
        "an empty line was taken for the end",
    ),
    ("ex03_mixed_lines", "a crowd", "several threads write"),
    ("ex03_pool_ten", "a crowd", "too few threads"),
    ("ex03_room_for_49", "a crowd", "room for fewer than 50"),
    ("ex03_255_clients", "a crowd", "too big for its type"),
    (
        "ex03_slow_queue",
        "a client who does not read holds up nobody",
        "the write to one of them waits",
    ),
    (
        "ex03_slow_reader",
        "a client who does not read holds up nobody",
        "the write to one of them waits",
    ),
    (
        "ex03_two_writers",
        "a client who does not read holds up nobody",
        "a few threads that write",
    ),
    (
        "ex03_short_queue",
        "a client who does not read holds up nobody",
        "200 lines must fit",
    ),
    (
        "ex03_let_go_unclosed",
        "a client who does not read holds up nobody",
        "only taken off the list",
    ),
    (
        "ex03_let_go_untold",
        "a client who does not read holds up nobody",
        "were let go, and the others were not told",
    ),
    (
        "ex03_dead_write_ends_server",
        "a bad client harms nobody",
        "the program has ended",
    ),
    (
        "ex03_reset_ends_server",
        "a bad client harms nobody",
        "the program has ended",
    ),
    (
        "ex03_invalid_utf8",
        "a bad client harms nobody",
        "a client's trouble has hit others",
    ),
    (
        "ex03_utf8_ends_thread",
        "a bad client harms nobody",
        "its thread has ended with a panic",
    ),
    ("ex03_mute_after_long", "a bad client harms nobody", "reads no more"),
    ("ex03_endless_line", "a bad client harms nobody", "had grown by"),
    ("ex03_endless_read_until", "a bad client harms nobody", "had grown by"),
    ("ex04_all_addresses", "it starts", "binds 0.0.0.0"),
    ("ex04_ignores_host", "it starts", "does not look at the flag"),
    (
        "ex04_ignores_port",
        "it starts",
        "does not use the port that --port gives",
    ),
    ("ex04_prints_port_asked", "it starts", "the port that was asked for"),
    (
        "ex04_address_without_port",
        "one message",
        "not its sender's address and port",
    ),
    ("ex04_answers", "one message", "the program answers"),
    ("ex04_buffered_output", "one message", "keeps its output in a buffer"),
    ("ex04_greets", "one message", "the program answers"),
    ("ex04_no_peer", "one message", "not its sender's address and port"),
    ("ex04_no_tag", "one message", "not in a line [RECEIVED] PEER text"),
    ("ex04_on_stderr", "one message", "println!, not eprintln!"),
    ("ex04_one_message", "one message", "reads one and no more"),
    ("ex04_own_address", "one message", "not its sender's address and port"),
    ("ex04_prints_length", "one message", "stands the message alone"),
    ("ex04_prints_twice", "one message", "printed more than once"),
    ("ex04_strips_priority", "one message", "and all of it"),
    ("ex04_upper_case", "one message", "its text is not the text"),
    ("ex04_waits_for_end", "one message", "or for the end of the connection"),
    ("ex04_waits_for_next", "one message", "for the next message"),
    ("ex04_256_frames", "several in one segment", "252 of 300 frames"),
    (
        "ex04_one_read_one_frame",
        "several in one segment",
        "the beginning of the next",
    ),
    ("ex04_thread_for_each", "several in one segment", "alone and in order"),
    ("ex04_cuts_text", "one in many segments", "it was cut for the line"),
    ("ex04_header_in_one_read", "one in many segments", "or for one length"),
    ("ex04_message_in_one_read", "one in many segments", "only a part"),
    (
        "ex04_text_of_each_piece",
        "octets, not characters",
        "each piece is made a text",
    ),
    ("ex04_counts_characters", "octets, not characters", "It counts octets"),
    ("ex04_ends_at_nul", "octets, not characters", "They end nothing"),
    (
        "ex04_escapes_line_feeds_alone",
        "octets, not characters",
        "plays with the terminal",
    ),
    ("ex04_prints_raw", "octets, not characters", "printed as it is"),
    (
        "ex04_skips_spaces",
        "octets, not characters",
        "only one belongs to the length",
    ),
    ("ex04_stops_at_line_feed", "octets, not characters", "taken for the end"),
    ("ex04_trims_text", "octets, not characters", "it was trimmed"),
    ("ex04_unwraps_utf8", "octets, not characters", "It need not be"),
    ("ex04_256_senders", "many at once", "is not given back"),
    ("ex04_closes_newest", "many at once", "the wrong connection was closed"),
    ("ex04_end_ends_server", "one message", "left between two frames"),
    ("ex04_frame_deadline", "many at once", "three seconds for a frame"),
    ("ex04_lock_in_a_frame", "many at once", "waits for the silent ones"),
    ("ex04_mixed_lines", "many at once", "several threads write into one line"),
    ("ex04_pool_of_40", "many at once", "has less than 50 places"),
    ("ex04_pool_of_four", "many at once", "one sender at a time, or too few"),
    ("ex04_room_for_49", "many at once", "has less than 50 places"),
    ("ex04_serial", "many at once", "one sender at a time"),
    ("ex04_time_out", "many at once", "silent for three seconds was let go"),
    ("ex04_any_white_space", "bad lengths", "split at any white space"),
    (
        "ex04_bad_length_ends_server",
        "bad lengths",
        "more than its own connection",
    ),
    ("ex04_endless_digits", "bad lengths", "waits for a space"),
    ("ex04_fixed_limit", "bad lengths", "another limit of its own"),
    ("ex04_four_digits", "bad lengths", "only so many digits"),
    ("ex04_judges_at_space", "bad lengths", "waits for a space"),
    ("ex04_keeps_what_follows", "bad lengths", "collects the digits"),
    ("ex04_larger_default", "bad lengths", "this length is over it"),
    ("ex04_lets_parse_judge", "bad lengths", "takes \"+7\" for a number"),
    ("ex04_looks_on", "bad lengths", "looks for the next frame behind it"),
    (
        "ex04_makes_room_first",
        "bad lengths",
        "makes room for the message before",
    ),
    ("ex04_one_too_many", "bad lengths", "is wrong by one"),
    ("ex04_refuses_the_limit", "bad lengths", "is not over it"),
    ("ex04_silent_refusal", "bad lengths", "passed over in silence"),
    ("ex04_takes_lines", "bad lengths", "the other framing"),
    ("ex04_takes_underscores", "bad lengths", "the digits 0 to 9"),
    ("ex04_tells_why", "bad lengths", "the program answers"),
    ("ex04_trims_length", "bad lengths", "the length was trimmed"),
    ("ex04_trusts_length", "bad lengths", "does not compare it"),
    ("ex04_wraps", "bad lengths", "cut down to what fits"),
    (
        "ex04_cut_ends_server",
        "a bad sender harms nobody",
        "trouble has ended it",
    ),
    (
        "ex04_cut_length_is_an_end",
        "a bad sender harms nobody",
        "passed over in silence",
    ),
    ("ex04_keeps_cut", "a bad sender harms nobody", "the connection is kept"),
    ("ex04_prints_cut", "a bad sender harms nobody", "as if it were whole"),
    (
        "ex04_reset_ends_loop",
        "a bad sender harms nobody",
        "the program still runs",
    ),
    (
        "ex04_reset_ends_server",
        "a bad sender harms nobody",
        "trouble has ended it",
    ),
    ("ex05_everywhere", "it starts", "binds 0.0.0.0"),
    ("ex05_host_ignored", "it starts", "It is --host that says where"),
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
    "ex01_late",
    "ex01_loud",
    "ex01_slice",
    "ex01_steps",
    "ex02_drip",
    "ex02_holds",
    "ex02_late",
    "ex02_loud",
    "ex03_always_late",
    "ex03_bytewise",
    "ex03_closes_late",
    "ex03_late_loud",
    "ex03_room_for_50",
    "ex04_bytewise",
    "ex04_closes_late",
    "ex04_late",
    "ex04_late_loud",
    "ex04_pool",
    "ex04_room_for_50",
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
        .filter(|name| is_asked_for(name))
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
    let names = names.iter().filter(|name| is_asked_for(name));
    let answers = names.map(link).collect();
    (folder, answers)
}

/// With `ONLY=ex03` in the environment, only the answers to ex03 are judged;
/// the beginning of any name does as well.
fn is_asked_for(answer: &str) -> bool {
    std::env::var("ONLY").map_or(true, |only| answer.starts_with(&only))
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
    // Those to one exercise in any order. The last one is begun first.
    let answers: HashMap<_, _> = answers.into_iter().collect();
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
    if std::env::var_os("ONLY").is_some() {
        return;
    }
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
