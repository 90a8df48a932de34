//! ex01: wrong or odd, as its name says. See `src/lib.rs`.

#![allow(clippy::expect_used, reason = "a mistake")]

use std::io::{self, ErrorKind, Write};
use std::net::{
    Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
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
    #[arg(long)]
    from: Option<u16>,

    #[arg(long)]
    tries: Option<u16>,
}

impl Args {
    fn from(&self) -> u16 {
        let default = if mistake("ex01_other_default") { 8000 } else { 8080 };
        self.from.unwrap_or(default)
    }

    fn tries(&self) -> u16 {
        let default = if mistake("ex01_eleven") {
            11
        } else if mistake("ex01_five") {
            5
        } else {
            10
        };
        self.tries.unwrap_or(default)
    }
}

/// How late everything comes from somebody who is slow.
const LATE: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let args = Args::parse();
    if args.tries() > u8::MAX.into() && mistake("ex01_byte_tries")
        || args.tries() > u16::MAX / 2 && mistake("ex01_signed_tries")
    {
        eprintln!("So many ports?");
        return ExitCode::from(2);
    }
    match run(&args) {
        Err(_) if mistake("ex01_why_on_stdout") => {
            println!("No port is free.");
            ExitCode::FAILURE
        }
        Err(_) if mistake("ex01_debug") => {
            // What Rust prints for fn main() -> io::Result<()>.
            let error = bind(args.from()).expect_err("it is taken");
            eprintln!("Error: {error:?}");
            ExitCode::FAILURE
        }
        ended => errors::exit_code(ended),
    }
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
    if listeners.is_empty() && mistake("ex01_listens_to_nothing") {
        announce(args.from());
    }
    let taken = || no_port(&ErrorKind::AddrInUse.into());
    let first = listeners.first().ok_or_else(taken)?;
    let mut bound = first.local_addr().map_err(|e| no_port(&e))?;
    if mistake("ex01_prints_p") {
        bound.set_port(args.from());
    }
    announce(bound.port());
    stay(&mut listeners);
    Ok(())
}

/// Until somebody stops us.
fn stay(listeners: &mut Vec<TcpListener>) {
    let first = &listeners[0];
    if oddity("ex01_accepts") {
        greet(first);
    }
    if mistake("ex01_one_visit") {
        let _ = first.accept();
        return;
    }
    if mistake("ex01_nap") {
        return thread::sleep(Duration::from_millis(2500));
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
    let (from, tries) = (args.from(), args.tries());
    let tries = if mistake("ex01_one_less") {
        tries - 1
    } else if mistake("ex01_one_more") {
        tries + 1
    } else if mistake("ex01_fifty_at_most") {
        tries.min(50)
    } else {
        tries
    };
    let step = if mistake("ex01_two_steps") { 2 } else { 1 };
    let port = |i| {
        if mistake("ex01_overflow") {
            return Some(from + i);
        }
        if mistake("ex01_wraps") {
            return Some(from.wrapping_add(i));
        }
        from.checked_add(step * i)
    };
    let mut ports: Vec<u16> = (0..tries).map_while(port).collect();
    if mistake("ex01_any_port") {
        // The system finds a free port at once.
        ports = vec![from, 0];
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
    let here = (Ipv4Addr::LOCALHOST, port);
    let looks_free = if mistake("ex01_connect") {
        TcpStream::connect(here).is_err()
    } else if is_taken_elsewhere(port) {
        false
    } else if mistake("ex01_wildcard_look") {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
    } else if mistake("ex01_twice") {
        bind(port).is_ok()
    } else if mistake("ex01_probe") {
        let is_free = bind(port).is_ok();
        // Time enough for somebody else, on a busy machine, too.
        thread::sleep(Duration::from_millis(1));
        is_free
    } else if mistake("ex01_gives_up") {
        true
    } else {
        return Ok(bind(port).ok());
    };
    if looks_free { bind(port).map(Some) } else { Ok(None) }
}

/// Who has the port for UDP, or for IPv6, has it for all?
fn is_taken_elsewhere(port: u16) -> bool {
    if mistake("ex01_udp_look") {
        return UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err();
    }
    mistake("ex01_ipv6_look")
        && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_err()
}

fn bind(port: u16) -> io::Result<TcpListener> {
    if mistake("ex01_wildcard_hidden") {
        return TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    }
    if oddity("ex01_late") {
        thread::sleep(LATE);
        return bind_in_steps(port, 0);
    }
    if oddity("ex01_steps") {
        // Three calls, without SO_REUSEADDR, in a thread of their own.
        return thread::scope(|scope| {
            let steps = move || bind_in_steps(port, 16);
            let joined = Builder::new().spawn_scoped(scope, steps)?.join();
            joined.unwrap_or_else(|_| Err(ErrorKind::Other.into()))
        });
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

fn bind_in_steps(port: u16, backlog: i32) -> io::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&address.into())?;
    // Another program with the same port could be ahead of us here.
    socket.listen(backlog)?;
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
    if mistake("ex01_on_stderr") {
        eprintln!("[LISTENING] 127.0.0.1:{port}");
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
