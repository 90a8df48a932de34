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
use std::net::{Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder};

use assert_cmd::cargo::cargo_bin;
use checks::{ALL, Exercise, Outcome};
use tempfile::TempDir;

mod demands;
mod known;

use known::{NEED_IPV6, ODD, WRONG};

/// How many answers that climb are judged at the same time: they are busy.
const CLIMBERS: usize = 5;

/// How many wrong ones meanwhile. They mostly wait, for what never comes.
const FALLERS: usize = 16;

/// The exercises in the order in which their answers are begun: first those
/// that wait longest, last those that need a machine that is not too busy.
const ORDER: [&str; 5] = ["ex03", "ex04", "ex05", "ex02", "ex01"];

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
    let mut names: Vec<_> = WRONG.iter().map(|(name, ..)| *name).collect();
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("Not judged, for want of IPv6: {NEED_IPV6:?}");
        names.retain(|name| !NEED_IPV6.contains(name));
    }
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
