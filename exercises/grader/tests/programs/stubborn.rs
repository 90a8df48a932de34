//! Does not end when it is asked to.

use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() {
    println!("[LISTENING] nowhere");
    let stay = "trap '' INT TERM HUP QUIT; while :; do sleep 1000.MARK; done";
    panic!("{}", Command::new("sh").args(["-c", stay]).exec());
}
