//! Prints for ever, on both of its outputs.

fn main() {
    std::thread::spawn(|| {
        loop {
            eprintln!("\x1b[2Jerror, error, error, error, error, error, error");
        }
    });
    loop {
        println!("[LISTENIN] 127.0.0.1:8080");
    }
}
