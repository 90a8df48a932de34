use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() {
    let host = flag("--host").unwrap_or("127.0.0.1".to_owned());
    let port = flag("--port").unwrap_or("8080".to_owned());
    let address = (host.as_str(), port.parse().unwrap());
    let listener = TcpListener::bind(address).unwrap();
    println!("[LISTENING] {}", listener.local_addr().unwrap());
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream));
    }
}

fn flag(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs() + 2_208_988_800;
    stream.write_all(&seconds.to_be_bytes()[4..])?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let _ = stream.take(64 * 1024).read_to_end(&mut Vec::new());
    Ok(())
}
