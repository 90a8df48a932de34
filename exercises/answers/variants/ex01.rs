//! ex01: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(clippy::expect_used, reason = "a mistake")]

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread::{self, Builder};
use std::time::Duration;

use answers::{chatter, mistake, oddity};
use clap::Parser;
use first_socket::errors::{self, Error};
use socket2::{Domain, Socket, Type};

/// Listens on the first free port at or after P
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 8080)]
    from: u16,

    #[arg(long, default_value_t = 10)]
    tries: u16,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    if oddity("ex01_loud") {
        chatter();
    }
    let mut listeners = listen(&ports(args)).map_err(|e| no_port(&e))?;
    if listeners.is_empty() && mistake("ex01_exit_zero") {
        eprintln!("No port is free.");
        return Ok(());
    }
    if mistake("ex01_panics_at_the_end") {
        listeners.first().expect("no port is free");
    }
    let taken = || no_port(&ErrorKind::AddrInUse.into());
    let first = listeners.first().ok_or_else(taken)?;
    let mut bound = first.local_addr().map_err(|e| no_port(&e))?;
    if mistake("ex01_prints_p") {
        bound.set_port(args.from);
    }
    announce(bound.port());
    if oddity("ex01_accepts") {
        greet(first);
    }
    if mistake("ex01_dropped") {
        // The program goes on, so the port stays open?
        listeners.clear();
    }
    loop {
        thread::park();
    }
}

/// The ports to try.
fn ports(args: &Args) -> Vec<u16> {
    let tries = if mistake("ex01_one_less") {
        args.tries - 1
    } else if mistake("ex01_one_more") {
        args.tries + 1
    } else {
        args.tries
    };
    let port = |i| {
        if mistake("ex01_overflow") {
            return Some(args.from + i);
        }
        args.from.checked_add(i)
    };
    let mut ports: Vec<u16> = (0..tries).map_while(port).collect();
    if mistake("ex01_any_port") {
        // The system finds a free port at once.
        ports = vec![args.from, 0];
    }
    if mistake("ex01_not_the_last") {
        ports.retain(|port| *port < u16::MAX);
    }
    if mistake("ex01_collect") {
        // A list of the free ports first; then the first of them is taken.
        ports.retain(|port| bind(*port).is_ok());
        ports.truncate(1);
    }
    ports
}

/// The listener on the first free port, if there is one.
fn listen(ports: &[u16]) -> io::Result<Vec<TcpListener>> {
    if oddity("ex01_slice") {
        // Late, and all ports at once.
        thread::sleep(Duration::from_millis(500));
        let address = |port: &u16| (Ipv4Addr::LOCALHOST, *port).into();
        let addresses: Vec<SocketAddr> = ports.iter().map(address).collect();
        return Ok(vec![TcpListener::bind(&addresses[..])?]);
    }
    let mut listeners = Vec::new();
    for port in ports {
        listeners.extend(take(*port)?);
        if !listeners.is_empty() && !mistake("ex01_takes_all") {
            break;
        }
    }
    Ok(listeners)
}

/// A listener, or none if the port is taken.
fn take(port: u16) -> io::Result<Option<TcpListener>> {
    let looks_free = if mistake("ex01_connect") {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
    } else if mistake("ex01_probe") {
        bind(port).is_ok()
    } else {
        return Ok(bind(port).ok());
    };
    if !looks_free {
        return Ok(None);
    }
    // Time enough for somebody else, on a busy machine, too.
    thread::sleep(Duration::from_millis(1));
    bind(port).map(Some)
}

fn bind(port: u16) -> io::Result<TcpListener> {
    if mistake("ex01_wildcard_hidden") {
        return TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    }
    if oddity("ex01_steps") {
        // Three calls, without SO_REUSEADDR, in a thread of their own.
        return thread::scope(|scope| {
            let steps = move || bind_in_steps(port);
            let joined = Builder::new().spawn_scoped(scope, steps)?.join();
            joined.unwrap_or_else(|_| Err(ErrorKind::Other.into()))
        });
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

fn bind_in_steps(port: u16) -> io::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&address.into())?;
    // Another program with the same port could be ahead of us here.
    socket.listen(16)?;
    Ok(socket.into())
}

fn announce(port: u16) {
    if oddity("ex01_steps") {
        for byte in format!("[LISTENING] 127.0.0.1:{port} at last\n").bytes() {
            let _ = io::stdout().write_all(&[byte]);
            let _ = io::stdout().flush();
        }
        return;
    }
    println!("[LISTENING] 127.0.0.1:{port}");
}

/// Accepts without ever blocking, greets, and keeps all connections.
fn greet(listener: &TcpListener) {
    let mut clients = Vec::new();
    let _ = listener.set_nonblocking(true);
    loop {
        if let Ok((mut client, _)) = listener.accept() {
            let _ = client.write_all(b"Welcome, whoever you are.\r\n");
            clients.push(client);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn no_port(error: &io::Error) -> Error {
    let advice = "Begin elsewhere with --from.";
    Error::new("no port to listen on", error, advice)
}
