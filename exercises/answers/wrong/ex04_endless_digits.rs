//! Wrong: it compares with the limit only at the space, and collects digits for
//! ever if none comes.

use std::io::{self, BufReader, Read};
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
    let mut input = BufReader::new(Patient(sender));
    let (mut digits, mut byte) = (String::new(), [0]);
    while input.read(&mut byte)? == 1 {
        match byte[0] {
            b'0' if digits.is_empty() => {
                return Err(io::Error::other("the length begins with 0"));
            }
            digit @ b'0'..=b'9' => digits.push(digit.into()),
            b' ' => {
                let length = digits.parse().map_err(io::Error::other)?;
                if length > limit {
                    return Err(io::Error::other("the length is too large"));
                }
                let mut message = vec![0; length];
                input.read_exact(&mut message)?;
                sender.event(Tag::Received, report::escaped(&message));
                digits.clear();
            }
            _ => return Err(io::Error::other("the length is no number")),
        }
    }
    if digits.is_empty() {
        return Ok(());
    }
    Err(io::Error::other("the length is cut off"))
}

/// Gives each read the whole time-out again.
struct Patient<'a>(&'a Client<'a>);

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.timed().read(bytes)
    }
}
