//! Odd: one thread and one loop over non-blocking sockets. Who does not read
//! stays in the room, but misses lines; a line that is too long is skipped,
//! and its sender stays.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use first_socket::errors::{self, Error};
use first_socket::events::{self, event};
use first_socket::flags::Address;
use first_socket::{ctrl_c, net};

/// A longer line is skipped.
const LONGEST: usize = 1500;

/// How many bytes may wait for one client; he misses the rest.
const WAITING: usize = 8 * 1024 * 1024;

/// How long the loop rests when nothing happens.
const REST: Duration = Duration::from_millis(2);

/// A chat room in one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    /// The line that has begun, and whether it is too long already.
    begun: Vec<u8>,
    skip: bool,
    waiting: Vec<u8>,
    here: bool,
}

fn main() -> ExitCode {
    errors::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Error> {
    let (listener, address) = net::listen(&args.address)?;
    ctrl_c::catch(None, |_| ())?;
    listener
        .set_nonblocking(true)
        .map_err(|error| net::cannot_listen(&args.address, &error))?;
    events::listening(address);
    let mut guests: Vec<Guest> = Vec::new();
    while !ctrl_c::stopping() {
        let mut news = enter(&listener, &mut guests);
        for guest in &mut guests {
            news.append(&mut guest.listen());
        }
        guests.retain(|guest| guest.here);
        let idle = news.is_empty();
        for guest in &mut guests {
            guest.hear(&news);
        }
        if idle {
            thread::sleep(REST);
        }
    }
    event("STOPPED", format!("clients inside: {}", guests.len()));
    Ok(())
}

type News = Vec<(SocketAddr, Vec<u8>)>;

fn enter(listener: &TcpListener, guests: &mut Vec<Guest>) -> News {
    let mut news = News::new();
    while let Ok((stream, peer)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok() {
            let (begun, waiting) = (Vec::new(), Vec::new());
            let (skip, here) = (false, true);
            guests.push(Guest { stream, peer, begun, skip, waiting, here });
            news.push((peer, format!("* {peer} came\n").into_bytes()));
        }
    }
    news
}

impl Guest {
    fn listen(&mut self) -> News {
        let mut news = News::new();
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Err(error) if would_wait(&error) => {}
            Ok(0) | Err(_) => {
                self.here = false;
                let text = format!("* {} left\n", self.peer);
                news.push((self.peer, text.into_bytes()));
            }
            Ok(count) => {
                for byte in &chunk[..count] {
                    self.take(*byte, &mut news);
                }
            }
        }
        news
    }

    fn take(&mut self, byte: u8, news: &mut News) {
        if byte != b'\n' {
            self.skip |= self.begun.len() >= LONGEST;
            if !self.skip {
                self.begun.push(byte);
            }
            return;
        }
        if !self.skip {
            let text = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
            let mut line = format!("{} ", self.peer).into_bytes();
            line.extend_from_slice(text);
            line.push(b'\n');
            news.push((self.peer, line));
        }
        self.begun.clear();
        self.skip = false;
    }

    fn hear(&mut self, news: &News) {
        for (from, line) in news {
            let room = self.waiting.len() + line.len() <= WAITING;
            if *from != self.peer && room {
                self.waiting.extend_from_slice(line);
            }
        }
        // An error shows at the next read, too.
        if !self.waiting.is_empty()
            && let Ok(count) = self.stream.write(&self.waiting)
        {
            self.waiting.drain(..count);
        }
    }
}

fn would_wait(error: &io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind())
}
