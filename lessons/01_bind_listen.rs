//! 01 · Bind and listen: what the kernel does alone.
//!
//! This program opens a port and never accepts anybody. Connections come
//! about all the same: the kernel makes them, and lets them queue.
//!
//! Terminal 1: `cargo run --bin 01_bind_listen`
//! Terminal 2: `cargo run --bin 02_client` (it waits; end it with Ctrl-C)

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Listens on a port without ever accepting a connection
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// So many finished connections may wait in the kernel's queue
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    backlog: i32,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    show_host();
    let addresses = args.address.resolve()?;
    let listener = listen(&addresses, args.backlog).map_err(|error| {
        Failure::listen(&args.address.to_string(), args.address.port, &error)
    })?;
    let stop = Shutdown::on_ctrl_c(None)?;
    stop.wait();
    drop(listener);
    report::event(Tag::Stopped, "the port is free again");
    Ok(())
}

/// Shows this machine's name, and the addresses that the name stands for.
fn show_host() {
    let name = gethostname::gethostname();
    let name = name.to_string_lossy();
    let found = (&*name, 0).to_socket_addrs();
    let mut ips: Vec<_> = found.into_iter().flatten().map(|a| a.ip()).collect();
    ips.dedup();
    let ips: Vec<_> = ips.iter().map(ToString::to_string).collect();
    let ips = if ips.is_empty() { "no address".into() } else { ips.join(", ") };
    report::event(Tag::Host, format_args!("{name}: {ips}"));
}

/// The three steps to a listener; each of them is one call to the kernel.
fn listen(addresses: &[SocketAddr], backlog: i32) -> io::Result<Socket> {
    let Some(&address) = addresses.first() else {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    };
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    report::event(Tag::Socket, format_args!("{family}, stream (TCP)"));

    // Without this, a restart has to wait until the kernel has forgotten the
    // old connections. On Windows the option means something else: it would
    // let two programs share a port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    report::event(Tag::Bound, bound);

    socket.listen(backlog)?;
    report::listening(bound);
    Ok(socket)
}
