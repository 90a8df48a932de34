//! Odd: eight threads that all accept, and a lot of talk.
//!
//! Meanwhile `main` prints 20 KB on stdout and on stderr, twenty times a
//! second. 250 KB come before `[LISTENING]`. A client who says something is
//! heard for at most half a second.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread::{self, Builder};
use std::time::{Duration, SystemTime};

use clap::Parser;
use first_socket::cli::Address;
use first_socket::deadline::Timed;
use first_socket::report::{self, Failure};

/// How many clients can be served at once.
const THREADS: usize = 8;

/// How long a client may keep a thread.
const VISIT: Duration = Duration::from_millis(500);

/// Tells the time, and much more to its own terminal
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    chatter(2500);
    let (listener, address) = args.address.listen()?;
    println!("[LISTENING] {address} with {THREADS} threads");
    thread::scope(|scope| {
        for number in 0..THREADS {
            let name = format!("clerk {number}");
            let work = || serve(&listener);
            if let Err(error) =
                Builder::new().name(name).spawn_scoped(scope, work)
            {
                eprintln!("one thread less: {error}");
            }
        }
        loop {
            chatter(200);
            thread::sleep(Duration::from_millis(50));
        }
    })
}

fn serve(listener: &TcpListener) {
    loop {
        match listener.accept() {
            Ok((client, peer)) => {
                if let Err(error) = tell(&client) {
                    eprintln!("{peer}: {error}");
                }
            }
            Err(error) => {
                eprintln!("accept: {error}");
                thread::sleep(VISIT);
            }
        }
    }
}

fn tell(mut client: &TcpStream) -> io::Result<()> {
    let unix = SystemTime::UNIX_EPOCH.elapsed().map_err(io::Error::other)?;
    let seconds = (unix.as_secs() + 2_208_988_800) % (1 << 32);
    let time = u32::try_from(seconds).map_err(io::Error::other)?;
    client.write_all(&time.to_be_bytes())?;
    client.shutdown(std::net::Shutdown::Write)?;
    // It may say what it likes until it goes; whoever stays is cut off.
    match io::copy(&mut Timed::new(client, VISIT), &mut io::sink()) {
        Err(error) if error.kind() != io::ErrorKind::TimedOut => Err(error),
        _ => Ok(()),
    }
}

/// 100 bytes on stdout and on stderr, `times` times.
fn chatter(times: usize) {
    for _ in 0..times {
        let line = format!("{:-<99}\n", "the clock is ticking ");
        let _ = io::stdout().write_all(line.as_bytes());
        let _ = io::stderr().write_all(line.as_bytes());
    }
}
