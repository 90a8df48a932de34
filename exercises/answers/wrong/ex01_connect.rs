//! Wrong: it looks with `connect` whether a port is free.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use first_socket::report::{self, Failure};

/// Listens on the first free port at or after P
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
    for port in (args.from..=u16::MAX).take(args.tries.into()) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // Nobody answers, so the port must be free.
        if TcpStream::connect(address).is_err() {
            let listener = TcpListener::bind(address).map_err(|e| fail(&e))?;
            let bound = listener.local_addr().map_err(|e| fail(&e))?;
            report::listening(bound);
            loop {
                thread::park();
            }
        }
    }
    Err(fail(&io::ErrorKind::AddrInUse.into()))
}

fn fail(error: &io::Error) -> Failure {
    Failure::new("no free port", report::why(error), "Try another --from.")
}
