//! Odd: a doorman accepts, a clerk tells the time, a porter sees people out.
//!
//! Three threads and two channels. The porter keeps those who stay in a list
//! and closes them after four seconds, or when two hundred have come since.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Builder};
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::flags::Address;
use first_socket::{events, net};

/// How long a client may stay.
const STAY: Duration = Duration::from_secs(4);

/// How many may stay.
const MOST: usize = 200;

/// Tells the time
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    let (to_clerk, at_clerk) = mpsc::channel();
    let (to_porter, at_porter) = mpsc::channel();
    let no_thread = |e| Error::new("no thread", &e, "Close programs.");
    let porter = Builder::new().spawn(move || see_out(&at_porter));
    porter.map_err(no_thread)?;
    let clerk = Builder::new().spawn(move || {
        for client in at_clerk {
            // An error means that this client is gone.
            let _ = tell(client, &to_porter);
        }
    });
    clerk.map_err(no_thread)?;
    events::listening(address);
    accept(&listener, &to_clerk)
}

fn accept(listener: &TcpListener, to_clerk: &Sender<TcpStream>) -> ! {
    loop {
        match listener.accept() {
            Ok((client, _)) => drop(to_clerk.send(client)),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn tell(
    mut client: TcpStream,
    to_porter: &Sender<TcpStream>,
) -> io::Result<()> {
    let unix = SystemTime::UNIX_EPOCH.elapsed().map_err(io::Error::other)?;
    let seconds = unix.as_secs() + 2_208_988_800;
    client.set_nonblocking(true)?;
    client.write_all(&seconds.to_be_bytes()[4..])?;
    client.shutdown(Shutdown::Write)?;
    let _ = to_porter.send(client);
    Ok(())
}

fn see_out(newcomers: &Receiver<TcpStream>) {
    let mut staying = VecDeque::new();
    let mut dropped = [0; 16 * 1024];
    loop {
        if let Ok(client) = newcomers.recv_timeout(Duration::from_millis(5)) {
            staying.push_back((client, Instant::now() + STAY));
        }
        if staying.len() > MOST {
            staying.pop_front();
        }
        staying.retain_mut(|(client, until)| {
            let blocked = match client.read(&mut dropped) {
                Ok(count) => count > 0,
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
            blocked && Instant::now() < *until
        });
    }
}
