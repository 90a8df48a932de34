//! Leaves processes behind that have left the group and their parents.

use std::process::Command;

fn main() {
    let away = "setsid sleep 1000.MARK & (setsid sleep 1000.MARK &) &";
    Command::new("sh").args(["-c", away]).status().unwrap();
    println!("[LISTENING] nowhere");
}
