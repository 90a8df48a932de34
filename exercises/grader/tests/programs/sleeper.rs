//! Does nothing, and its child neither.

fn main() {
    let _ = std::process::Command::new("sleep").arg("1000.MARK").status();
}
