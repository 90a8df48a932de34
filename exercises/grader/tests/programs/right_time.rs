//! A right answer to ex02.

use std::io::Write;
use std::net::Shutdown::Write as End;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use first_socket::flags::Address;
use first_socket::{errors, events, net};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    address: Address,
}

fn main() -> std::process::ExitCode {
    let (listener, address) = match net::listen(&Args::parse().address) {
        Ok(listening) => listening,
        Err(error) => return errors::exit_code(Err(error)),
    };
    events::listening(address);
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else { continue };
        std::thread::spawn(move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let seconds = (now.as_secs() + 2_208_988_800) as u32;
            let _ = connection.write_all(&seconds.to_be_bytes());
            let _ = connection.shutdown(End);
            let _ = std::io::copy(&mut connection, &mut std::io::sink());
        });
    }
    std::process::ExitCode::SUCCESS
}
