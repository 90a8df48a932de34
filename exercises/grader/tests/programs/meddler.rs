//! Spoils the tree, and kills the compilers of the exercises for a while.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

fn main() {
    let us = std::env::current_exe().unwrap();
    let work = us.ancestors().nth(3).unwrap();
    let _ = fs::remove_file(work.join("tree/exercises/03_chat/Cargo.toml"));
    let mark = work.join("target").display().to_string();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(process.path().join("cmdline"));
            let line = line.unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let id = process.file_name().into_string().unwrap();
            if line.contains("--crate-name ex0") && line.contains(&mark) {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        }
    }
}
