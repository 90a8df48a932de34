//! Odd: socket, bind and listen as three calls, without `SO_REUSEADDR`.
//!
//! A thread listens and hands the socket over through a channel. The line
//! `[LISTENING]` is written byte by byte. Ctrl-C ends it with `[STOPPED]`.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread::Builder;

use clap::Parser;
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;
use socket2::{Domain, Socket, Type};

/// Listens on the first free port, step by step
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 8080)]
    from: u16,

    #[arg(long, default_value_t = 10)]
    tries: u16,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let stop = Shutdown::on_ctrl_c(None)?;
    let (sender, receiver) = mpsc::channel();
    let (from, tries) = (args.from, args.tries);
    Builder::new()
        .spawn(move || {
            let ports = (0..tries).map_while(|i| from.checked_add(i));
            let _ = sender.send(ports.map(listen).find(Result::is_ok));
        })
        .map_err(|e| failure(&e))?;
    let Ok(Some(Ok((socket, port)))) = receiver.recv() else {
        return Err(failure(&io::ErrorKind::AddrInUse.into()));
    };
    for byte in format!("[LISTENING] 127.0.0.1:{port} in steps\n").bytes() {
        let _ = io::stdout().write_all(&[byte]);
        let _ = io::stdout().flush();
    }
    stop.wait();
    drop(socket);
    report::event(Tag::Stopped, "bye");
    Ok(())
}

/// A listener on just this port, or why not.
fn listen(port: u16) -> io::Result<(Socket, u16)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&address.into())?;
    // Another program with the same port could be ahead of us here.
    socket.listen(16)?;
    let bound = socket.local_addr()?.as_socket();
    Ok((socket, bound.map_or(port, |address| address.port())))
}

fn failure(error: &io::Error) -> Failure {
    let advice = "Choose another with --from.";
    Failure::new("no port to listen on", report::why(error), advice)
}
