//! The first rung, which all exercises but the first share.

use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream,
};
use std::sync::Arc;
use std::time::Duration;

use harness::Deadline;

use crate::finding::Finding;
use crate::ports::{Block, is_free, turn};
use crate::trial::{START_TIME, Server, Trial};

/// The port of a program that is not told one.
const DEFAULT_PORT: u16 = 8080;

/// On Linux all of 127.0.0.0/8 is this machine.
const OTHER_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How long an address may take to say that nobody listens there: a system that
/// does not have the address says nothing.
const ELSEWHERE_TIME: Duration = Duration::from_millis(500);

/// Others may take a port that all know, at just that moment.
const DEFAULT_TRIES: usize = 3;

const NOT_UNDERSTOOD: &str = "perhaps the program does not understand this \
                              --host, or puts host and port together as \
                              text: there an IPv6 address stands in brackets, \
                              [::1]:0. The pair (host, port) needs none.";

/// Starts the program twice at once: on a port that the system picks, and on
/// one that we name. Somebody can connect to both.
pub(crate) fn it_starts(trial: &Trial, args: &[&str]) -> Result<(), Finding> {
    let block = Block::take()?;
    let port = block.port(0).to_string();
    trial.note(format!("started with --port 0, and with --port {port}"));
    let any = trial.spawn(&[&["--port", "0"], args].concat())?;
    let named = trial.spawn(&[&["--port", &port], args].concat())?;
    let until = Deadline::after(START_TIME);
    let servers = [&any, &named]
        .map(|process| trial.await_listening(Arc::clone(process), until));
    let one_ended = any.has_ended_itself() || named.has_ended_itself();
    let (any, named) = match servers {
        [Ok(any), Ok(named)] => (any, named),
        [Ok(one), Err(finding)] | [Err(finding), Ok(one)] if one_ended => {
            return Err(wants_it_too(finding, &one));
        }
        [Err(finding), _] | [_, Err(finding)] => return Err(finding),
    };
    any.connect("A")?;
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

/// Explains why one of two programs has ended, where the other listens.
fn wants_it_too(finding: Finding, one: &Server<'_>) -> Finding {
    finding.meaning(&format!(
        "another copy of the program listens on {}. Perhaps it does not look \
         at --port, and both want the same port. Its own words are below.",
        one.address
    ))
}

/// Starts the program where `--host` says: it listens there, and nowhere else.
pub(crate) fn on_hosts(trial: &Trial, args: &[&str]) -> Result<(), Finding> {
    on_host(trial, args, Ipv4Addr::LOCALHOST.into())?;
    other_host().map_or(Ok(()), |host| on_host(trial, args, host))
}

/// An address of this machine that is not 127.0.0.1: not every one has IPv6.
pub(crate) fn other_host() -> Option<IpAddr> {
    let others = [Ipv6Addr::LOCALHOST.into(), IpAddr::from(OTHER_V4)];
    others.into_iter().find(|host| TcpListener::bind((*host, 0)).is_ok())
}

fn on_host(trial: &Trial, args: &[&str], host: IpAddr) -> Result<(), Finding> {
    started_at(trial, args, host)?.connect("C")?;
    alone(|| started_at(trial, args, host))
}

/// Whoever is started so listens at one address alone.
pub(crate) fn alone<'t>(
    start: impl Fn() -> Result<Server<'t>, Finding>,
) -> Result<(), Finding> {
    // Another program may have the same port elsewhere by chance: not twice.
    nowhere_else(&start()?).or_else(|_| nowhere_else(&start()?))
}

fn started_at<'t>(
    trial: &'t Trial,
    args: &[&str],
    host: IpAddr,
) -> Result<Server<'t>, Finding> {
    let name = host.to_string();
    trial.note(format!("started with --host {name} --port 0"));
    let args = [&["--host", &name, "--port", "0"], args].concat();
    let process = trial.spawn(&args)?;
    let until = Deadline::after(START_TIME);
    let server = trial.await_listening(Arc::clone(&process), until);
    let server = server.map_err(|finding| {
        let ended = process.has_ended_itself();
        if ended { finding.meaning(NOT_UNDERSTOOD) } else { finding }
    })?;
    if server.address.ip() == host {
        return Ok(server);
    }
    Err(Finding::new(
        format!("[LISTENING] {}", server.address),
        format!("[LISTENING] {}", SocketAddr::new(host, 0))
            .replace(":0", ":PORT"),
        "the program listens on an address of its own choice. It is \
         --host that says where.",
    ))
}

/// A server that listens on 127.0.0.1, or on `::1`, cannot be reached at
/// another address.
pub(crate) fn nowhere_else(server: &Server<'_>) -> Result<(), Finding> {
    let others = [Ipv6Addr::LOCALHOST.into(), IpAddr::from(OTHER_V4)];
    for other in others.into_iter().filter(|ip| *ip != server.address.ip()) {
        let elsewhere = SocketAddr::new(other, server.address.port());
        server.trial.note(format!("somebody tries to connect to {elsewhere}"));
        if TcpStream::connect_timeout(&elsewhere, ELSEWHERE_TIME).is_ok() {
            return Err(Finding::new(
                format!("a connection at {elsewhere}"),
                format!("none: it listens on {} alone", server.address.ip()),
                "perhaps the program binds 0.0.0.0, or [::], that is every \
                 address of the machine: the whole network can connect.",
            ));
        }
    }
    Ok(())
}

/// Starts the program without `--host` and `--port`.
pub(crate) fn by_default(trial: &Trial, args: &[&str]) -> Result<(), Finding> {
    let _turn = turn(trial, DEFAULT_PORT)?;
    let expected = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    for _ in 0..DEFAULT_TRIES {
        // Another program has it: then there is nothing to see.
        if !is_free(DEFAULT_PORT) {
            return Ok(());
        }
        trial.note("started without --host and --port");
        let process = trial.spawn(args)?;
        let until = Deadline::after(START_TIME);
        let server = trial.await_listening(process.clone(), until);
        process.kill();
        let came = match server {
            Ok(server) if server.address == expected => return Ok(()),
            Ok(server) => format!("[LISTENING] {}", server.address),
            Err(finding) => finding.came,
        };
        if is_free(DEFAULT_PORT) {
            return Err(Finding::new(
                came,
                format!("[LISTENING] {expected}"),
                "without --host it is 127.0.0.1, without --port 8080.",
            ));
        }
    }
    Ok(())
}
