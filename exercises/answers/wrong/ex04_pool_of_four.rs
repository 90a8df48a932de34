//! Wrong: its four threads serve four senders, and a fifth waits until one
//! leaves.

use std::io::{self, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::cli::Address;
use first_socket::report::{self, Failure, Tag};

/// Prints the log messages of many senders
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,

    /// The longest message that is taken
    #[arg(long, default_value_t = 8192)]
    max_message: usize,
}

fn main() -> ExitCode {
    report::exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let (listener, address) = args.address.listen()?;
    report::listening(address);
    thread::scope(|scope| {
        for _ in 0..4 {
            let work = || serve(&listener, args.max_message);
            let thread = thread::Builder::new();
            if let Err(error) = thread.spawn_scoped(scope, work) {
                report::remark(Tag::Error, error);
            }
        }
    });
    Ok(())
}

fn serve(listener: &TcpListener, limit: usize) {
    loop {
        let Ok((connection, peer)) = listener.accept() else { continue };
        if let Err(error) = receive(&connection, peer, limit) {
            report::trouble(peer, &error);
        }
    }
}

fn receive(
    connection: &TcpStream,
    peer: SocketAddr,
    limit: usize,
) -> io::Result<()> {
    let mut input = BufReader::new(connection);
    let mut length = String::new();
    let mut byte = [0];
    while input.read(&mut byte)? != 0 {
        let new = char::from(byte[0]);
        if new == ' ' && !length.is_empty() {
            let mut message = vec![0; length.parse().unwrap_or(0)];
            input.read_exact(&mut message)?;
            let text = report::escaped(&message);
            report::event(Tag::Received, format_args!("{peer} {text}"));
            length.clear();
            continue;
        }
        length.push(new);
        let digits = length.bytes().all(|byte| byte.is_ascii_digit());
        let number = length.parse().ok().filter(|n| (1..=limit).contains(n));
        if !digits || number.is_none() || length.starts_with('0') {
            return Err(io::Error::other("this is no length for us"));
        }
    }
    if !length.is_empty() {
        return Err(io::Error::other("the length is not all there"));
    }
    Ok(())
}
