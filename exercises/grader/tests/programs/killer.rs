//! Kills the check, and stays.

use std::os::unix::process::parent_id;
use std::process::Command;

fn main() {
    let check = parent_id().to_string();
    Command::new("kill").args(["-KILL", &check]).status().unwrap();
    Command::new("sleep").arg("1000.MARK").status().unwrap();
}
