//! Starts one process after the other.

use std::process::Command;

fn main() {
    loop {
        let _ = Command::new("sleep").arg("1000.MARK").spawn();
    }
}
