use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() {
    let mut words = std::env::args().skip_while(|word| word != "--port");
    let port = words.nth(1).unwrap_or_default().parse().unwrap_or(8080);
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    println!("[LISTENING] {}", listener.local_addr().unwrap());
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream));
    }
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
