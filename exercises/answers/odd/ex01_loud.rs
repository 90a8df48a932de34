//! Odd: it talks all the while, on stdout and on stderr.
//!
//! 250 KB come before `[LISTENING]` on each of them, and more come after it
//! for as long as it runs. The loop is a recursion.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use first_socket::report::{self, Failure};

/// Listens on the first free port, and talks
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 8080)]
    from: u16,

    #[arg(long, default_value_t = 10)]
    tries: u32,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    talk(2500);
    let listener = get(args.from, args.tries)?;
    let address = listener.local_addr();
    let address =
        address.map_err(|e| Failure::new("no address", e, "Try again."))?;
    say(format!("[LISTENING] {address} at last\n").as_bytes());
    loop {
        // A megabyte in a second, without an end.
        talk(500);
        thread::sleep(Duration::from_millis(50));
    }
}

fn get(port: u16, left: u32) -> Result<TcpListener, Failure> {
    if left == 0 {
        let advice = "Try --from with another port.";
        return Err(Failure::new("no port", "all are taken", advice));
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => Ok(listener),
        Err(error) => match port.checked_add(1) {
            Some(next) => get(next, left - 1),
            None => Err(Failure::new("no port up to 65535", error, "Less.")),
        },
    }
}

/// 100 bytes on each of the two, `times` times.
fn talk(times: usize) {
    for _ in 0..times {
        say(format!("{:.<99}\n", "still looking ").as_bytes());
        let line = format!("{:.<99}\n", "nothing is wrong ");
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

fn say(bytes: &[u8]) {
    let _ = io::stdout().write_all(bytes);
}
