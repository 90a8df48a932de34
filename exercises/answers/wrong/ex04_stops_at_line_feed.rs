//! Wrong: it takes a line feed for the end of a message.

use std::io::{self, BufRead, BufReader, Read};
use std::process::ExitCode;

use clap::Parser;
use first_socket::cli::{Address, Limits};
use first_socket::clients::{Client, Clients};
use first_socket::report::{self, Failure, Tag};
use first_socket::shutdown::Shutdown;

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
    let stop = Shutdown::on_ctrl_c(Some(&listener))?;
    report::listening(address);

    let limits = Limits { max_clients: 300, timeout: 3600 };
    let clients = Clients::new(&limits, b"", &stop);
    clients.serve(listener, |sender| receive(sender, args.max_message));
    Ok(())
}

fn receive(sender: &Client<'_>, limit: usize) -> io::Result<()> {
    let mut input = BufReader::new(sender.timed());
    loop {
        *input.get_mut() = sender.timed();
        if input.fill_buf()?.is_empty() {
            return Ok(());
        }
        let length = read_length(&mut input, limit)?;
        let mut message = Vec::new();
        let mut frame = input.by_ref().take(length as u64);
        frame.read_until(b'\n', &mut message)?;
        if message.len() < length && !message.ends_with(b"\n") {
            return Err(io::Error::other("the message is cut off"));
        }
        sender.event(Tag::Received, report::escaped(&message));
    }
}

fn read_length(input: &mut impl BufRead, limit: usize) -> io::Result<usize> {
    let mut length = 0;
    for byte in input.bytes() {
        let byte = byte?;
        if byte == b' ' && length > 0 {
            return Ok(length);
        }
        if !byte.is_ascii_digit() || (byte == b'0' && length == 0) {
            return Err(io::Error::other("this is not a length"));
        }
        length = length * 10 + usize::from(byte - b'0');
        if length > limit {
            return Err(io::Error::other("this length is too long"));
        }
    }
    Err(io::Error::other("the length is cut off"))
}
