//! Wrong: it takes the first read of a frame for the whole length, and calls a
//! part of one an error.

use std::io::{self, Read};
use std::net::TcpStream;
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
    report::event(Tag::Listening, address);
    thread::scope(|scope| {
        for connection in listener.incoming().flatten() {
            let visit = || {
                let ended = receive(connection, args.max_message);
                if let Err(error) = ended {
                    report::remark(Tag::Error, error);
                }
            };
            let thread = thread::Builder::new();
            if let Err(error) = thread.spawn_scoped(scope, visit) {
                report::remark(Tag::Error, error);
            }
        }
    });
    Ok(())
}

fn receive(mut connection: TcpStream, limit: usize) -> io::Result<()> {
    let peer = connection.peer_addr()?;
    let mut bytes = Vec::new();
    loop {
        if bytes.is_empty() && !read_more(&mut connection, &mut bytes)? {
            return Ok(());
        }
        let length = bytes.split(|byte| *byte == b' ').next();
        let length = length.unwrap_or_default().to_vec();
        let number = length.iter().all(u8::is_ascii_digit)
            && length.len() < bytes.len()
            && !length.starts_with(b"0");
        let end = String::from_utf8_lossy(&length).parse::<usize>();
        let end = match end {
            Ok(count) if number && count <= limit => length.len() + 1 + count,
            _ => return Err(io::Error::other("the length is bad")),
        };
        while bytes.len() < end {
            if !read_more(&mut connection, &mut bytes)? {
                return Err(io::Error::other("the message is cut off"));
            }
        }
        let text = report::escaped(&bytes[length.len() + 1..end]);
        report::event(Tag::Received, format_args!("{peer} {text}"));
        bytes.drain(..end);
    }
}

fn read_more(from: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = vec![0; 64 * 1024];
    let count = from.read(&mut chunk)?;
    bytes.extend_from_slice(&chunk[..count]);
    Ok(count > 0)
}
