//! 01 · Bind and listen: what the kernel does alone.
//!
//! This program opens a port and accepts nobody. Clients connect all the
//! same: the kernel makes the connections and keeps them in a queue.
//!
//! Terminal 1: `cargo run -q --bin 01_bind_listen`
//! Terminal 2: `cargo run -q --bin 02_client`; it connects and hears nothing
//! (end it with Ctrl-C; it gives up after a minute)
//! Terminal 3, on Linux: `ss -tan 'sport = :8080'` shows the connection as
//! `ESTAB`, established, though nobody has accepted it.

// ANCHOR: uses
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};
use first_socket::flags::Address;
use first_socket::{ctrl_c, net};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
// ANCHOR_END: uses

// ANCHOR: args
/// Listens on a port without ever accepting a connection
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// How many connections may wait to be accepted; Linux lets in one more
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    backlog: i32,
}
// ANCHOR_END: args

// ANCHOR: main
fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}
// ANCHOR_END: main

// ANCHOR: run
fn run(args: &Args) -> Result<(), Error> {
    show_host();
    // No accept waits here, so Ctrl-C has no listener to wake.
    ctrl_c::catch(None, |_| ())?;
    let addresses = net::resolve(&args.address)?;
    let listener = listen_on_first(&addresses, args.backlog)
        .map_err(|error| net::cannot_listen(&args.address, &error))?;
    while !ctrl_c::stopping() {
        thread::park();
    }
    drop(listener);
    event("STOPPED", "the port is free again");
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: host
/// Shows this machine's name, and the addresses that the name stands for.
fn show_host() {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    let mut ips = Vec::new();
    if let Ok(addresses) = (name.as_str(), 0).to_socket_addrs() {
        ips.extend(addresses.map(|address| address.ip().to_string()));
    }
    // Some systems give each address several times in a row.
    ips.dedup();
    if ips.is_empty() {
        ips.push("no address".to_owned());
    }
    let ips = ips.join(", ");
    event("HOST", format_args!("{name}: {ips}"));
}
// ANCHOR_END: host

// ANCHOR: first
/// Listens on the first address that works: a name can have several.
fn listen_on_first(
    addresses: &[SocketAddr],
    backlog: i32,
) -> io::Result<Socket> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match listen(*address, backlog) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
// ANCHOR_END: first

// ANCHOR: socket
/// The three steps to a listener; each of them is one call to the kernel.
fn listen(address: SocketAddr, backlog: i32) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    // A stream of bytes in both directions: TCP.
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    event("SOCKET", format_args!("{family}, stream (TCP)"));
    // ANCHOR_END: socket

    // ANCHOR: bind
    // Without SO_REUSEADDR (socket(7)), bind fails while the kernel still
    // remembers old connections at this port. std sets it by itself. On
    // Windows the option would let two programs share a port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    event("BOUND", bound);
    // ANCHOR_END: bind

    // ANCHOR: listen
    socket.listen(backlog)?;
    events::listening(bound);
    Ok(socket)
}
// ANCHOR_END: listen
