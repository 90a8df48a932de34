//! The first rung, which all exercises but the first share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use harness::Deadline;

use crate::finding::Finding;
use crate::ports::Block;
use crate::trial::{START_TIME, Trial};

/// Starts the program twice at once: on a port that the system picks, and on
/// one that we name. Somebody can connect to both.
pub(crate) fn it_starts(trial: &Trial, args: &[&str]) -> Result<(), Finding> {
    let block = Block::take()?;
    let port = block.port(0).to_string();
    trial.note(format!("started with --port 0, and with --port {port}"));
    let any = trial.spawn(&[&["--port", "0"], args].concat())?;
    let named = trial.spawn(&[&["--port", &port], args].concat())?;
    let until = Deadline::after(START_TIME);

    let any = trial.await_listening(any, until)?;
    any.connect("A")?;

    let named = trial.await_listening(named, until)?;
    if named.address.port() != block.port(0) {
        return Err(Finding::new(
            format!("with --port {port}: [LISTENING] {}", named.address),
            format!("[LISTENING] 127.0.0.1:{port}"),
            "the program does not use the port that --port gives, or prints \
             another one than it has.",
        ));
    }
    named.connect("B")?;
    Ok(())
}

/// Starts the program on each address that `--host` may say; without IPv6 on
/// this machine, on one.
pub(crate) fn it_obeys_host(
    trial: &Trial,
    args: &[&str],
) -> Result<(), Finding> {
    let hosts =
        [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let known = |host: &IpAddr| TcpListener::bind((*host, 0)).is_ok();
    for host in hosts.into_iter().filter(known) {
        let host = host.to_string();
        trial.note(format!("started with --host {host} --port 0"));
        let flags = ["--host", &host, "--port", "0"];
        let server = trial.start(&[&flags, args].concat())?;
        if server.address.ip().to_string() != host {
            return Err(Finding::new(
                format!("with --host {host}: [LISTENING] {}", server.address),
                format!("[LISTENING] with the address {host}"),
                "the program does not listen on the address that --host \
                 gives, or prints another one than it has.",
            ));
        }
        server.connect("C")?;
    }
    Ok(())
}
