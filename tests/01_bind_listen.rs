//! Lesson 01: socket, bind and listen, and what the kernel does alone.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;
use harness::contract::{self, run};
use harness::{Server, peer};
use predicates::str::contains;
#[cfg(target_os = "linux")]
use predicates::str::starts_with;

fn program() -> &'static Path {
    cargo_bin!("01_bind_listen")
}

#[test]
fn shows_each_step_in_its_order() {
    let server = Server::start(program(), &[]);

    let address = server.address();
    let host = gethostname::gethostname().into_string().unwrap();
    let lines = server.said();
    let ips = lines[0].strip_prefix(&format!("[HOST] {host}: ")).unwrap();
    let is_ip = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
    assert!(ips == "no address" || ips.split(", ").all(is_ip), "{ips}");
    assert_eq!(lines[1], "[SOCKET] IPv4, stream (TCP)");
    assert_eq!(lines[2], format!("[BOUND] {address}"));
    let listening = format!("[LISTENING] {address} ");
    assert!(lines[3].starts_with(&listening), "{lines:?}");
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_connect_succeeds_though_nobody_accepts() {
    let server = Server::start(program(), &[]);

    let mut connection = server.connect();
    peer::send(&connection, "hello\n");

    let a_while = Duration::from_millis(300);
    connection.set_read_timeout(Some(a_while)).unwrap();
    // It reads again after an interruption, which is no answer.
    let error = connection.read_exact(&mut [0]).unwrap_err();
    let timeout = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
    assert!(timeout.contains(&error.kind()), "{error}");
}

/// Linux lets one connection more than the backlog finish.
#[cfg(target_os = "linux")]
#[test]
fn the_queue_takes_one_more_than_the_backlog_and_the_next_one_waits() {
    for backlog in [0, 2, 5] {
        let server =
            Server::start(program(), &["--backlog", &backlog.to_string()]);
        let queue: Vec<_> = (0..=backlog).map(|_| server.connect()).collect();

        let a_while = Duration::from_millis(300);
        let next =
            std::net::TcpStream::connect_timeout(&server.address(), a_while);

        assert_eq!(next.unwrap_err().kind(), ErrorKind::TimedOut);
        drop(queue);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_queue_has_two_places_unless_told_otherwise() {
    let server = Server::start(program(), &[]);
    let queue: Vec<_> = (0..3).map(|_| server.connect()).collect();

    let a_while = Duration::from_millis(300);
    let next = std::net::TcpStream::connect_timeout(&server.address(), a_while);

    assert_eq!(next.unwrap_err().kind(), ErrorKind::TimedOut);
    drop(queue);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_and_frees_the_port() {
    let server = Server::start(program(), &[]);
    let port = server.port();
    drop(server.connect());

    let ended = server.stop();

    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert!(ended.took < harness::STOP_TIME, "{:?}", ended.took);
    assert!(ended.last_line().starts_with("[STOPPED] "), "{ended:#?}");
    let mut again = std::process::Command::new(program());
    again.args(["--port", &port]);
    assert_eq!(Server::spawn(again).port(), port);
}

#[test]
fn a_port_in_use_is_explained() {
    contract::a_port_in_use_is_explained(program(), &[]);
}

#[test]
fn a_foreign_address_is_explained() {
    contract::a_foreign_address_is_explained(program(), &[]);
}

#[test]
fn an_unknown_host_is_explained() {
    contract::an_unknown_host_is_explained(program(), &[]);
}

#[test]
fn an_ipv6_address_works() {
    contract::an_ipv6_address_works(program(), &[], |address| {
        drop(peer::connect(address));
    });
}

#[test]
fn help_shows_the_defaults() {
    contract::help_shows(program(), &["127.0.0.1", "8080", "2"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    contract::wrong_usage_exits_with_2(program());
    run(program(), &["--backlog", "-1"]).code(2);
    run(program(), &["--backlog", "many"]).code(2).stderr(contains("many"));
}

/// Lesson 02 closes first, so the kernel remembers its old connections: a
/// restart at the same port has to say that it does not mind.
#[cfg(unix)]
#[test]
fn a_port_with_old_connections_can_be_taken_again() {
    let greeter = Server::start(cargo_bin!("02_accept_send_close"), &[]);
    let port = greeter.port();
    let _ = peer::hear_all(&greeter.connect());
    let _ = greeter.stop();

    let mut command = std::process::Command::new(program());
    command.args(["--port", &port]);

    assert_eq!(Server::spawn(command).port(), port);
}

#[test]
fn a_pipe_gets_no_colours() {
    let mut command = assert_cmd::Command::new(program());
    command.args(["--host", "203.0.113.9", "--port", "0"]);
    let ended = command.env("CLICOLOR_FORCE", "1").assert();

    let output = ended.get_output();
    assert!(!output.stdout.contains(&0x1b), "{output:?}");
    assert!(!output.stderr.contains(&0x1b), "{output:?}");
}

/// Root may take any port: then the program runs as nobody, from a place
/// that everybody can read.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs a system that guards the ports under 1024"]
fn a_port_under_1024_is_explained() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let dir = tempfile::TempDir::new().unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), everybody).unwrap();
    let copy = dir.path().join("program");
    std::fs::copy(program(), &copy).unwrap();
    let mut command = std::process::Command::new(copy);
    command.args(["--port", "1023"]);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65534);
    }

    let mut command = assert_cmd::Command::from_std(command);
    let ended = command.timeout(harness::PATIENCE).assert();

    let what = "[ERROR] cannot listen on 127.0.0.1:1023: permission denied";
    ended.code(1).stderr(starts_with(what)).stderr(contains("--port 0"));
}
