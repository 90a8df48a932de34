//! What a test does at its end of a connection.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::PATIENCE;

/// Connects to `address`; reads and writes then fail rather than hang.
#[track_caller]
#[must_use]
pub fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect_timeout(&address, PATIENCE)
        .expect("the server should accept a connection");
    with_patience(&connection);
    connection
}

/// Like [`connect`], with room for very little at our end: what we do not
/// read stays with the server's kernel.
#[track_caller]
#[must_use]
pub fn connect_with_little_room(address: SocketAddr) -> TcpStream {
    let connection = try_connect_with_little_room(address)
        .expect("the server should accept a connection");
    with_patience(&connection);
    connection
}

/// Like [`connect_with_little_room`]; the time-outs are left to the caller.
///
/// # Errors
/// Those of connect(2).
pub fn try_connect_with_little_room(
    address: SocketAddr,
) -> io::Result<TcpStream> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, None)?;
    // The kernel takes the least that it allows.
    socket.set_recv_buffer_size(1)?;
    socket.connect_timeout(&address.into(), PATIENCE)?;
    Ok(socket.into())
}

fn with_patience(connection: &TcpStream) {
    connection.set_read_timeout(Some(PATIENCE)).expect("it is open");
    connection.set_write_timeout(Some(PATIENCE)).expect("it is open");
}

/// Sends all of `bytes`.
#[track_caller]
pub fn send(mut connection: &TcpStream, bytes: impl AsRef<[u8]>) {
    connection.write_all(bytes.as_ref()).expect("the server should read");
}

/// Sends each byte of `bytes` in a segment of its own.
#[track_caller]
pub fn send_byte_by_byte(connection: &TcpStream, bytes: &[u8]) {
    connection.set_nodelay(true).expect("it is open");
    for byte in bytes {
        send(connection, [*byte]);
    }
}

/// Sends without reading, until the server takes nothing for a while: the
/// buffers of both sides are full, in both directions.
pub fn stuff(connection: &TcpStream) {
    let a_while = Duration::from_millis(300);
    connection.set_write_timeout(Some(a_while)).expect("it is open");
    let _ = flood(connection);
}

/// Sends until the server breaks the connection off, or takes no more.
/// Returns how many bytes have left.
#[must_use]
pub fn flood(mut connection: &TcpStream) -> u64 {
    let bytes = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while connection.write_all(&bytes).is_ok() {
        sent += bytes.len() as u64;
    }
    sent
}

/// Ends our side: the server reads the end of the stream.
#[track_caller]
pub fn end(connection: &TcpStream) {
    connection.shutdown(Shutdown::Write).expect("it is open");
}

/// Reads exactly `count` bytes.
#[track_caller]
#[must_use]
pub fn hear(mut connection: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    connection.read_exact(&mut bytes).expect("the server should answer");
    bytes
}

/// Reads to the end, which must be an orderly one.
#[track_caller]
#[must_use]
pub fn hear_all(mut connection: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).expect("an orderly end, not a reset");
    bytes
}

/// Breaks the connection off: the server sees "connection reset".
pub fn reset(connection: TcpStream) {
    SockRef::from(&connection)
        .set_linger(Some(Duration::ZERO))
        .expect("it is open");
    drop(connection);
}

/// A length-prefixed message, made here a second time so that a mistake in
/// the course's own code does not hide itself.
#[must_use]
pub fn message(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = header(body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// A header alone.
#[must_use]
pub fn header(length: impl Display) -> Vec<u8> {
    format!("{length:<64}").into_bytes()
}

/// Reads one message and returns its body.
#[track_caller]
#[must_use]
pub fn hear_message(connection: &TcpStream) -> String {
    let header = String::from_utf8(hear(connection, 64)).expect("ASCII");
    let length = header.trim_end().parse().expect("a length");
    String::from_utf8(hear(connection, length)).expect("UTF-8")
}

/// A server for one client, for the tests of a client. Returns where it
/// listens; joining the handle brings a failure inside `talk` to the test.
#[must_use]
pub fn serve_one<T: Send + 'static>(
    talk: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let thread = thread::Builder::new().spawn(move || {
        let (connection, _) = listener.accept().expect("a client");
        with_patience(&connection);
        talk(connection)
    });
    (address, thread.expect("a thread for the server"))
}
