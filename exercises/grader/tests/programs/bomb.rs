//! Each process starts others, all the time. Ends by itself: nobody wants it
//! on a machine where the grader is broken.

use std::process::Command;
use std::time::{Duration, SystemTime};

fn main() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    let end = std::env::var("END").map(|end| end.parse().unwrap());
    let end: u64 = end.unwrap_or(now + 5);
    let us = std::env::current_exe().unwrap();
    let end_time = SystemTime::UNIX_EPOCH + Duration::from_secs(end);
    while SystemTime::now() < end_time {
        let _ = Command::new(&us).env("END", end.to_string()).spawn();
    }
}
