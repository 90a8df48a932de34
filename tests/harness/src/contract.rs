//! What every server of the course promises, whatever its lesson: one
//! function for each promise. A lesson's tests call them with its program.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(unix)]
mod unix;

use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::contains;

use crate::peer::{reset, send};
use crate::{PATIENCE, Server};

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(unix)]
pub use unix::*;

/// Runs a program that is expected to end by itself.
#[must_use]
pub fn run(program: &Path, args: &[&str]) -> Assert {
    let mut command = Command::new(program);
    command.args(args).timeout(PATIENCE).assert()
}

/// Judges a failure: two lines on stderr, what failed and what to do.
fn explained(ended: Assert, what: &str, advice: &str) {
    ended
        .code(1)
        .stdout(contains("[LISTENING]").not())
        .stderr(predicate::str::starts_with(format!("[ERROR] {what}")))
        .stderr(contains(advice))
        .stderr(contains("os error").not())
        .stderr(predicate::function(|text: &str| text.lines().count() == 2));
}

/// A port in use: says so, and how to find its holder.
pub fn a_port_in_use_is_explained(program: &Path, args: &[&str]) {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let port = address.port().to_string();

    let ended = run(program, &[&["--port", &port], args].concat());

    let what = format!("cannot listen on {address}: the port is in use");
    explained(ended, &what, "ss -ltnp");
}

/// An address that is not this machine's, from the range that RFC 5737
/// reserves for documentation.
pub fn a_foreign_address_is_explained(program: &Path, args: &[&str]) {
    let foreign = ["--host", "203.0.113.9", "--port", "0"];

    let ended = run(program, &[&foreign, args].concat());

    let what = "cannot listen on 203.0.113.9:0: this machine has no";
    explained(ended, what, "127.0.0.1");
}

/// A name that RFC 2606 promises never to exist.
pub fn an_unknown_host_is_explained(program: &Path, args: &[&str]) {
    let unknown = ["--host", "no-such-host.invalid", "--port", "0"];

    let ended = run(program, &[&unknown, args].concat());

    let what = "cannot find \"no-such-host.invalid\": the name could not";
    explained(ended, what, "--host 127.0.0.1");
}

/// `--help` ends with 0 and tells each of the defaults.
pub fn help_shows(program: &Path, defaults: &[&str]) {
    let mut help = run(program, &["--help"]).success();
    for default in defaults {
        help = help.stdout(contains(format!("[default: {default}]")));
    }
}

/// Wrong usage ends with 2, and says what is wrong.
pub fn wrong_usage_exits_with_2(program: &Path) {
    for args in [["--port", "65536"], ["--port", "http"], ["--nonsense", "1"]] {
        run(program, &args).code(2).stderr(contains(args[0]));
    }
}

/// IPv6: the address in brackets, and clients are served.
///
/// On a machine without IPv6 the server has to say so.
pub fn an_ipv6_address_works(
    program: &Path,
    args: &[&str],
    good: impl Fn(SocketAddr),
) {
    let args = [&["--host", "::1"], args].concat();
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        let args = [&["--port", "0"], &args[..]].concat();
        run(program, &args).code(1).stderr(contains("[::1]:0"));
        return;
    }
    let mut command = std::process::Command::new(program);
    command.args(["--port", "0"]).args(args);

    let server = Server::spawn(command);

    assert!(server.address().is_ipv6(), "{}", server.address());
    good(server.address());
}

/// A client who breaks off is one `[ERROR]` line, and the next is served.
pub fn a_reset_is_one_line_and_nobody_elses(
    program: &Path,
    args: &[&str],
    good: impl Fn(SocketAddr),
) {
    let mut server = Server::start(program, args);
    let client = server.connect();
    let peer = client.local_addr().unwrap();
    server.says(&format!("[NEW CONNECTION] {peer}"));
    send(&client, "x");

    reset(client);

    let line = server.complains("[ERROR]");
    assert!(line.starts_with(&format!("[ERROR] {peer} ")), "{line}");
    server.says(&format!("[CLOSED] {peer}"));
    good(server.address());
    #[cfg(unix)]
    assert_eq!(server.stop().stderr, [line]);
}
