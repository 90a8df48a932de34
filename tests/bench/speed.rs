//! How fast the lessons are, beside nc, ncat, socat and Python on the same
//! machine in the same run: `cargo bench` (Linux; needs these programs).
//!
//! Files go through the folder for temporary files; `TMPDIR=/dev/shm cargo
//! bench` leaves the disk out. Nothing is judged here: a slow machine is not
//! a mistake.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark stops at the first surprise, and prints floats"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use harness::peer;
use tempfile::TempDir;

const SIZE: u64 = 1024 * 1024 * 1024;
const ROUNDS: usize = 3;
const LOAD_TIME: Duration = Duration::from_secs(2);
const LOAD_ROUNDS: usize = 5;
/// Longer than anything here takes on a healthy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let args: Vec<_> = std::env::args().collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args[1..] {
        ["bare", port] => return bare(port),
        ["crowd", size] => return crowd(size.parse().unwrap()),
        // cargo says `--bench`.
        _ => {}
    }
    measure("echoes", 50, say_again_and_again);
    measure("connections", 4, connect_again_and_again);
    crowd(1000);
    large_crowd(10_000);
    messages();
    transfer();
}

/// A background program, killed when it is dropped.
struct Background(Child);

impl Background {
    fn start(program: impl AsRef<Path>, args: &[&str], out: Stdio) -> Self {
        let mut command = Command::new(program.as_ref());
        command.args(args).stdin(Stdio::null()).stdout(out);
        Self(command.stderr(Stdio::null()).spawn().unwrap())
    }

    /// How long it has been on a processor, in seconds: fields 14 and 15 of
    /// `proc_pid_stat(5)`, in hundredths.
    fn processor_time(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()));
        let stat = stat.unwrap();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks = fields.skip(11).take(2).flat_map(str::parse::<u32>);
        f64::from(ticks.sum::<u32>()) / 100.0
    }

    /// The most memory it has had, in MiB.
    fn peak(&self) -> f64 {
        let status = format!("/proc/{}/status", self.0.id());
        let status = fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.map_or(0.0, |kib| kib.parse::<f64>().unwrap() / 1024.0)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port, as a number and as it is written on a command line.
fn port() -> (SocketAddr, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (address, address.port().to_string())
}

fn wait_for(address: SocketAddr) {
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "{address} does not listen");
        thread::sleep(Duration::from_millis(10));
    }
}

fn report(what: &str, mut seconds: Vec<f64>, memory: &str) {
    seconds.sort_by(f64::total_cmp);
    let best = seconds[0];
    let rate = SIZE as f64 / best / 1024.0 / 1024.0;
    println!("  {what:<22} {best:>6.2} s  {rate:>6.0} MiB/s  {memory}");
}

/// One GiB of a file to a file, through each pair of programs.
fn transfer() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("source");
    let mut file = File::create(&source).unwrap();
    let mut block = vec![0_u8; 1024 * 1024];
    for number in 0..SIZE / block.len() as u64 {
        block[0] = number.to_le_bytes()[0];
        file.write_all(&block).unwrap();
    }
    drop(file);
    println!("1 GiB through {}, best of {ROUNDS}:", dir.path().display());

    let mut ours = Vec::new();
    let mut peaks = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        let (seconds, server, client) = our_transfer(&source);
        ours.push(seconds);
        peaks = (peaks.0.max(server), peaks.1.max(client));
    }
    let memory =
        format!("server {:.1} MiB, client {:.1} MiB", peaks.0, peaks.1);
    report("05, synced", ours, &memory);

    let path = source.to_str().unwrap();
    let target = dir.path().join("target");
    let to = target.to_str().unwrap();
    let script = format!("{}/tests/bench/pair.py", env!("CARGO_MANIFEST_DIR"));
    let pairs = [
        ("nc", "nc -l 127.0.0.1 $P > $T", "nc -N 127.0.0.1 $P < $S"),
        (
            "ncat",
            "ncat -l 127.0.0.1 $P > $T",
            "ncat --send-only 127.0.0.1 $P < $S",
        ),
        (
            "socat",
            "socat -u TCP-LISTEN:$P,bind=127.0.0.1 CREATE:$T",
            "socat -u OPEN:$S TCP:127.0.0.1:$P",
        ),
        (
            "Python, 4096 bytes",
            "python3 $B receive $P $T",
            "python3 $B send $P $S",
        ),
        (
            "Python, sendfile",
            "python3 $B receive_large $P $T",
            "python3 $B send_file $P $S",
        ),
    ];
    for (name, receive, send) in pairs {
        let rounds = (0..ROUNDS).map(|_| {
            let port = port().1;
            let shell = |line: &str| {
                let mut command = Command::new("sh");
                command.args(["-c", &format!("exec {line}")]);
                command.env("P", &port).env("T", to).env("S", path);
                command.env("B", &script).stderr(Stdio::null());
                command.stdin(Stdio::null()).spawn().unwrap()
            };
            let mut receiver = Background(shell(receive));
            let begin = loop {
                // Refused until the receiver listens.
                let begin = Instant::now();
                if shell(send).wait().unwrap().success() {
                    break begin;
                }
            };
            receiver.0.wait().unwrap();
            let seconds = begin.elapsed().as_secs_f64();
            assert_eq!(fs::metadata(&target).unwrap().len(), SIZE, "{name}");
            fs::remove_file(&target).unwrap();
            seconds
        });
        report(name, rounds.collect(), "");
    }
}

/// Seconds, and the peaks of the server's and the client's memory.
fn our_transfer(source: &Path) -> (f64, f64, f64) {
    let received: PathBuf = source.with_file_name("received");
    let (address, port) = port();
    let server = Background::start(
        env!("CARGO_BIN_EXE_05_file_transfer"),
        &["--port", &port, "--dir", received.to_str().unwrap()],
        Stdio::null(),
    );
    wait_for(address);

    let begin = Instant::now();
    let mut client = Background::start(
        env!("CARGO_BIN_EXE_05_client"),
        &["--port", &port, source.to_str().unwrap()],
        Stdio::null(),
    );
    let mut peak = 0.0_f64;
    let status = loop {
        peak = peak.max(client.peak());
        if let Some(status) = client.0.try_wait().unwrap() {
            break status;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let seconds = begin.elapsed().as_secs_f64();

    assert!(status.success());
    let size = fs::metadata(received.join("source")).unwrap().len();
    assert_eq!(size, SIZE);
    fs::remove_dir_all(received).unwrap();
    (seconds, server.peak(), peak)
}

/// The least that a thread for each client can be: what lesson 03 is measured
/// against. It runs as a process of its own.
fn bare(port: &str) {
    let port = port.parse().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let echo = move || {
            let mut chunk = [0; 1024];
            while let Ok(count @ 1..) = stream.read(&mut chunk) {
                if stream.write_all(&chunk[..count]).is_err() {
                    break;
                }
            }
        };
        Builder::new().spawn(echo).unwrap();
    }
}

/// The three servers that send back what they hear, each on a new port.
fn echo_servers() -> [(&'static str, SocketAddr, Background); 3] {
    let script = format!("{}/tests/bench/pair.py", env!("CARGO_MANIFEST_DIR"));
    let bare = std::env::current_exe().unwrap();
    let python = PathBuf::from("python3");
    let ours = PathBuf::from(env!("CARGO_BIN_EXE_03_threads"));
    let start = |name, program: PathBuf, args: &[&str]| {
        let (address, port) = port();
        let args = [args, &[&port]].concat();
        let server = Background::start(program, &args, Stdio::null());
        wait_for(address);
        (name, address, server)
    };
    [
        start("a bare server", bare, &["bare"]),
        start("03", ours, &["--max-clients", "100", "--port"]),
        start("Python, threads", python, &[&script, "echo"]),
    ]
}

/// What a load brings: how often in a second, and the server's processor time
/// for each time, in microseconds.
type Load = fn(SocketAddr, &AtomicU64, Instant);

fn measure(what: &str, clients: usize, load: Load) {
    println!("{what}, {clients} clients, median of {LOAD_ROUNDS}:");
    let servers = echo_servers();
    let mut results = vec![Vec::new(); servers.len()];
    // In turn, so that all have the same of a machine's better moments.
    for _ in 0..LOAD_ROUNDS {
        for ((_, address, server), results) in servers.iter().zip(&mut results)
        {
            let (count, before) = (AtomicU64::new(0), server.processor_time());
            let begin = Instant::now();
            thread::scope(|scope| {
                for _ in 0..clients {
                    let client = || load(*address, &count, begin);
                    Builder::new().spawn_scoped(scope, client).unwrap();
                }
            });
            let seconds = begin.elapsed().as_secs_f64();
            let count = count.into_inner() as f64;
            let time = server.processor_time() - before;
            results.push((count / seconds, time * 1e6 / count));
        }
    }
    let rates = results.iter().map(|it| median(it.iter().map(|it| it.0)));
    let times = results.iter().map(|it| median(it.iter().map(|it| it.1)));
    let (rates, times): (Vec<_>, Vec<_>) = (rates.collect(), times.collect());
    for (nth, (name, ..)) in servers.iter().enumerate() {
        println!(
            "  {name:<17} {:>7.0} a second ({:.2} of the bare one), \
             {:>5.1} µs of processor time each ({:.2})",
            rates[nth],
            rates[nth] / rates[0],
            times[nth],
            times[nth] / times[0],
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Connect, say five bytes, hear them, close.
fn connect_again_and_again(
    address: SocketAddr,
    count: &AtomicU64,
    begin: Instant,
) {
    while begin.elapsed() < LOAD_TIME {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(b"hello").unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        connection.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"hello");
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Say five bytes and hear them, on one connection.
fn say_again_and_again(address: SocketAddr, count: &AtomicU64, begin: Instant) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_nodelay(true).unwrap();
    while begin.elapsed() < LOAD_TIME {
        connection.write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        connection.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Many clients who are all connected at once, and all answered.
fn crowd(size: usize) {
    let (address, port) = port();
    let server = Background::start(
        env!("CARGO_BIN_EXE_03_threads"),
        &["--port", &port, "--max-clients", "100000"],
        Stdio::null(),
    );
    wait_for(address);

    let begin = Instant::now();
    let crowd: Vec<_> = (0..size).map(|_| peer::connect(address)).collect();
    for client in &crowd {
        peer::send(client, "hello");
    }
    for client in &crowd {
        assert_eq!(peer::hear(client, 5), b"hello");
    }

    let (seconds, peak) = (begin.elapsed().as_secs_f64(), server.peak());
    println!("{size} clients at once: {seconds:.2} s, server {peak:.1} MiB");
}

/// A crowd needs more open files than a shell allows at first.
fn large_crowd(size: usize) {
    let files = size + 200;
    let mut shell = Command::new("sh");
    let line = format!("ulimit -n {files} && exec \"$0\" crowd {size}");
    shell.args(["-c", &line]).arg(std::env::current_exe().unwrap());
    if !shell.status().unwrap().success() {
        println!("{size} clients at once: not here; see ulimit -Hn");
    }
}

/// A hundred small messages, each after the reply to the one before.
fn messages() {
    let (address, port) = port();
    let program = env!("CARGO_BIN_EXE_04_length_prefix");
    let _server = Background::start(program, &["--port", &port], Stdio::null());
    wait_for(address);
    let client = peer::connect(address);

    let begin = Instant::now();
    for _ in 0..100 {
        peer::send(&client, peer::message("Hello Server!"));
        assert_eq!(peer::hear_message(&client), "Hello Client!");
    }

    let milliseconds = begin.elapsed().as_secs_f64() * 1000.0;
    println!("100 small messages in turn: {milliseconds:.1} ms");
}
