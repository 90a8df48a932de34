//! One connection to the program under test. Every wait has an end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use harness::Deadline;

use crate::finding::{Finding, quoted};
use crate::trial::{ANSWER_TIME, Server, Trial};

/// How many clients break off at once: only some of them are gone before the
/// server has a look at them.
pub(crate) const BROKEN: usize = 50;

/// After so many there is a moment in which the server can accept them. Its
/// queue may be short, and when it is full each further one waits for a second
/// (RFC 6298, section 2.1).
const AT_ONCE: usize = 4;
const MOMENT: Duration = Duration::from_millis(10);

/// The kernel keeps so many bytes for a client who does not read.
const SOME_ROOM: usize = 64 * 1024;

/// What a flood is made of.
const FLOOD: &[u8] = &[b'x'; 64 * 1024];

/// A client of a server, with a name for the messages.
#[derive(Debug)]
pub(crate) struct Client<'t> {
    trial: &'t Trial,
    name: String,
    /// The client's own address, as the server sees it.
    pub(crate) address: SocketAddr,
    connection: TcpStream,
    heard: Vec<u8>,
}

/// Why nothing more is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// The time is over.
    Silence,
    /// The server ended its side in the orderly way.
    End,
    /// The server broke the connection off.
    Reset,
    /// More came than any answer can have.
    Flood,
}

impl Server<'_> {
    /// Connects. A client called A is A in the messages.
    pub(crate) fn connect(&self, name: &str) -> Result<Client<'_>, Finding> {
        let connected = TcpStream::connect_timeout(&self.address, ANSWER_TIME);
        self.client(name, connected)
    }

    /// Connects, and does not note it: it is one of many.
    pub(crate) fn connect_unnoted(
        &self,
        name: &str,
    ) -> Result<Client<'_>, Finding> {
        let connected = TcpStream::connect_timeout(&self.address, ANSWER_TIME);
        self.unnoted(name, connected)
    }

    /// Clients who connect and say nothing.
    pub(crate) fn silent_clients(
        &self,
        count: usize,
    ) -> Result<Vec<Client<'_>>, Finding> {
        self.trial.note(format!("{count} clients connect and are silent"));
        let connect = |nth| self.connect_unnoted(&format!("silent {nth}"));
        (1..=count).map(connect).collect()
    }

    /// Connects with room for so few unread bytes that a server which sends
    /// much has to wait.
    pub(crate) fn connect_with_some_room(
        &self,
        name: &str,
    ) -> Result<Client<'_>, Finding> {
        let prepare =
            |socket: &socket2::Socket| socket.set_recv_buffer_size(SOME_ROOM);
        self.client(name, connect_prepared(self.address, prepare))
    }

    /// Connects with as little room for unread bytes as the system allows.
    pub(crate) fn connect_with_little_room(
        &self,
        name: &str,
    ) -> Result<Client<'_>, Finding> {
        let connected =
            harness::peer::try_connect_with_little_room(self.address);
        self.client(name, connected)
    }

    /// Connects with little room at both ends: our kernel takes small segments
    /// alone, and where the segments are small, a server's kernel keeps some
    /// 30 KB for us. With large ones it keeps more than a megabyte.
    pub(crate) fn connect_with_least_room(
        &self,
        name: &str,
    ) -> Result<Client<'_>, Finding> {
        self.client(name, connect_prepared(self.address, small_segments))
    }

    /// Clients who break off as soon as they are connected.
    pub(crate) fn broken_clients(&self, count: usize) -> Result<(), Finding> {
        self.trial.note(format!(
            "{count} clients break off (reset) as soon as they are connected"
        ));
        for nth in 1..=count {
            let_accept(nth);
            let client = TcpStream::connect_timeout(&self.address, ANSWER_TIME);
            match client {
                Ok(connection) => harness::peer::reset(connection),
                Err(error) => {
                    return Err(Finding::new(
                        format!("no connection for the next: {error}"),
                        "the server goes on",
                        "a client who was gone again has ended the program \
                         or its loop: unwrap, or ?, where accept, read or \
                         write may fail.",
                    ));
                }
            }
        }
        Ok(())
    }

    fn client(
        &self,
        name: &str,
        connected: io::Result<TcpStream>,
    ) -> Result<Client<'_>, Finding> {
        let client = self.unnoted(name, connected)?;
        let own = client.address;
        self.trial.note(format!("{name} connects, from {own}"));
        Ok(client)
    }

    fn unnoted(
        &self,
        name: &str,
        connected: io::Result<TcpStream>,
    ) -> Result<Client<'_>, Finding> {
        let address = self.address;
        self.trial.heard_silence(false);
        let connected = connected.and_then(|connection| {
            connection.set_nodelay(true)?;
            connection.set_write_timeout(Some(ANSWER_TIME))?;
            Ok((connection.local_addr()?, connection))
        });
        let (own, connection) = connected.map_err(|error| {
            self.trial.note(format!("{name} connects to {address}"));
            Finding::new(
                format!("no connection: {error}"),
                format!("{name} can connect to {address}"),
                "the listener is gone: the program ended, dropped its \
                 listener, or prints an address on which it does not listen.",
            )
        })?;
        let name = name.to_owned();
        let (trial, heard) = (self.trial, Vec::new());
        Ok(Client { trial, name, address: own, connection, heard })
    }
}

impl Client<'_> {
    /// Sends all of `bytes`, in one write.
    pub(crate) fn send(
        &mut self,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), Finding> {
        let bytes = bytes.as_ref();
        self.trial.note(format!("{} sends {}", self.name, quoted(bytes)));
        self.write(bytes)
    }

    /// Sends each byte in a segment of its own, with a pause between.
    pub(crate) fn send_in_bytes(
        &mut self,
        bytes: impl AsRef<[u8]>,
        pause: Duration,
    ) -> Result<(), Finding> {
        let bytes = bytes.as_ref();
        let text = quoted(bytes);
        self.trial.note(format!("{} sends {text}, byte by byte", self.name));
        for byte in bytes {
            self.write(&[*byte])?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Sends all of `bytes`, without noting it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Finding> {
        let ended = self.connection.write_all(bytes);
        let name = &self.name;
        ended.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Finding::new(
                format!("the server took nothing for {ANSWER_TIME:?}"),
                format!("the server reads what {name} sends"),
                "the server is busy with something else, or waits for \
                 somebody else.",
            ),
            _ => Finding::new(
                format!("the connection of {name} is gone: {error}"),
                format!("the server reads what {name} sends"),
                "the server closed the connection, or ended.",
            ),
        })
    }

    /// Sends all of `text`, without noting it.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Finding> {
        self.write(text.as_bytes())
    }

    /// Sends the letter x so many times. The server may break that off.
    pub(crate) fn flood(&mut self, bytes: usize) {
        let name = &self.name;
        self.trial.note(format!("{name} sends {bytes} times the letter x"));
        self.takes(bytes);
    }

    /// Whether the server takes, or refuses, so many bytes in time. This is a
    /// question of ours, and not in the notes.
    pub(crate) fn takes(&mut self, bytes: usize) -> bool {
        let until = Deadline::after(ANSWER_TIME);
        for _ in 0..bytes.div_ceil(FLOOD.len()) {
            let Some(left) = until.left() else {
                return false;
            };
            let _ = self.connection.set_write_timeout(Some(left));
            if let Err(error) = self.connection.write_all(FLOOD) {
                let stuck = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                return !stuck.contains(&error.kind());
            }
        }
        true
    }

    /// Sends a little more without an end; `false` when the server has ended
    /// that.
    pub(crate) fn flooding(&mut self) -> bool {
        self.connection.write_all(FLOOD).is_ok()
    }

    /// Sends a little of an endless line, and at most up to `until`; returns
    /// how many bytes the server's side has taken.
    ///
    /// # Errors
    /// When the server has ended the connection.
    pub(crate) fn pour(&mut self, until: Deadline) -> io::Result<usize> {
        let Some(left) = until.left() else { return Ok(0) };
        self.connection.set_write_timeout(Some(left))?;
        match self.connection.write(FLOOD) {
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            },
            sent => sent,
        }
    }

    /// Keeps little on our side of what the server has not taken.
    pub(crate) fn keep_little_unsent(&self) {
        const LITTLE: usize = 32 * 1024;
        let socket = socket2::SockRef::from(&self.connection);
        let _ = socket.set_send_buffer_size(LITTLE);
    }

    /// Gives up the little room with which it has connected.
    pub(crate) fn make_room(&self) {
        const ROOM: usize = 1024 * 1024;
        let socket = socket2::SockRef::from(&self.connection);
        let _ = socket.set_recv_buffer_size(ROOM);
    }

    /// Whether the server has ended this connection by now. What it said
    /// before is forgotten.
    pub(crate) fn has_ended(&mut self) -> bool {
        /// The end may be right behind the last words.
        const A_WHILE: Duration = Duration::from_millis(20);
        let (_, end) = self.hear_out(Deadline::after(A_WHILE));
        matches!(end, ReadEnd::End | ReadEnd::Reset)
    }

    /// Remembers something for the message of a failure.
    pub(crate) fn note(&self, line: String) {
        self.trial.note(line);
    }

    /// The client's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Ends our side, and goes on listening.
    pub(crate) fn end(&mut self) {
        self.trial.note(format!("{} ends its side", self.name));
        self.end_unnoted();
    }

    /// The same, without noting it.
    pub(crate) fn end_unnoted(&mut self) {
        let _ = self.connection.shutdown(Shutdown::Write);
    }

    /// Leaves in the orderly way.
    pub(crate) fn leave(self) {
        self.trial.note(format!("{} leaves", self.name));
        let _ = self.connection.shutdown(Shutdown::Both);
    }

    /// Breaks the connection off: the server gets "connection reset".
    pub(crate) fn reset(self) {
        self.trial.note(format!("{} breaks off (reset)", self.name));
        self.reset_unnoted();
    }

    /// The same, without noting it.
    pub(crate) fn reset_unnoted(self) {
        harness::peer::reset(self.connection);
    }

    /// What was heard and not taken yet.
    pub(crate) fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// Hears some more; at most up to `until`.
    fn listen(&mut self, until: Deadline) -> Result<(), ReadEnd> {
        let ended = self.read(until);
        self.trial.heard_silence(ended == Err(ReadEnd::Silence));
        ended
    }

    fn read(&mut self, until: Deadline) -> Result<(), ReadEnd> {
        const LIMIT: usize = 64 * 1024 * 1024;
        let mut chunk = [0; 16 * 1024];
        loop {
            let Some(left) = until.left() else {
                return Err(ReadEnd::Silence);
            };
            if self.heard.len() > LIMIT {
                return Err(ReadEnd::Flood);
            }
            let _ = self.connection.set_read_timeout(Some(left));
            acknowledge_at_once(&self.connection);
            match self.connection.read(&mut chunk) {
                Ok(0) => return Err(ReadEnd::End),
                Ok(count) => {
                    self.heard.extend_from_slice(&chunk[..count]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock
                    | ErrorKind::TimedOut
                    | ErrorKind::Interrupted => {}
                    _ => return Err(ReadEnd::Reset),
                },
            }
        }
    }

    /// Waits until something has come, at most up to `until`, and leaves it
    /// unread.
    pub(crate) fn first_byte(&self, until: Deadline) -> Option<u8> {
        let mut byte = [0];
        let _ = self.connection.set_read_timeout(Some(until.left()?));
        let count = self.connection.peek(&mut byte).ok()?;
        (count > 0).then_some(byte[0])
    }

    /// The next line, without its end; at most up to `until`.
    pub(crate) fn line(&mut self, until: Deadline) -> Result<Vec<u8>, ReadEnd> {
        let mut line = self.whole_line(until)?;
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
        Ok(line)
    }

    /// The same, with its end.
    pub(crate) fn whole_line(
        &mut self,
        until: Deadline,
    ) -> Result<Vec<u8>, ReadEnd> {
        let mut seen = 0;
        loop {
            let news = &self.heard[seen..];
            if let Some(end) = news.iter().position(|b| *b == b'\n') {
                let end = seen + end;
                return Ok(self.heard.drain(..=end).collect());
            }
            seen = self.heard.len();
            self.listen(until)?;
        }
    }

    /// The next bytes, so many; if fewer come, these and why.
    pub(crate) fn exactly(
        &mut self,
        count: usize,
        until: Deadline,
    ) -> Result<Vec<u8>, (Vec<u8>, ReadEnd)> {
        match self.hear(count, until) {
            Ok(()) => Ok(self.heard.drain(..count).collect()),
            Err(end) => Err((std::mem::take(&mut self.heard), end)),
        }
    }

    /// Hears until so many bytes have come, or more; they stay in `heard`.
    pub(crate) fn hear(
        &mut self,
        count: usize,
        until: Deadline,
    ) -> Result<(), ReadEnd> {
        while self.heard.len() < count {
            self.listen(until)?;
        }
        Ok(())
    }

    /// All that comes until the end, or until `until`, and how it ended.
    pub(crate) fn hear_out(&mut self, until: Deadline) -> (Vec<u8>, ReadEnd) {
        loop {
            if let Err(end) = self.listen(until) {
                return (std::mem::take(&mut self.heard), end);
            }
        }
    }
}

/// Gives the server a moment when this is the last of a few who connect.
pub(crate) fn let_accept(nth: usize) {
    if nth.is_multiple_of(AT_ONCE) {
        std::thread::sleep(MOMENT);
    }
}

/// Connects a socket that has been prepared.
fn connect_prepared(
    address: SocketAddr,
    prepare: impl FnOnce(&socket2::Socket) -> io::Result<()>,
) -> io::Result<TcpStream> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    prepare(&socket)?;
    socket.connect_timeout(&address.into(), ANSWER_TIME)?;
    Ok(socket.into())
}

fn small_segments(socket: &socket2::Socket) -> io::Result<()> {
    /// The least that every host takes (RFC 9293, section 3.7.1).
    const SMALL: u32 = 536;
    // The kernel takes the least that it allows.
    socket.set_recv_buffer_size(1)?;
    // Where this cannot be set, more is said before the buffers are full.
    #[cfg(unix)]
    let _ = socket.set_tcp_mss(SMALL);
    #[cfg(not(unix))]
    let _ = SMALL;
    Ok(())
}

/// Lets the kernel acknowledge what comes without delay. A server that has
/// not set `TCP_NODELAY` waits for that before it sends more, 40 ms each time
/// on Linux: it is slow, not wrong.
fn acknowledge_at_once(connection: &TcpStream) {
    // The kernel forgets it: TCP_QUICKACK in tcp(7).
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(connection).set_tcp_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = connection;
}

/// How it ended for somebody who waited for a certain line: others may have
/// come until then.
pub(crate) fn without_the_line(end: ReadEnd) -> String {
    match end {
        ReadEnd::Silence => format!("no such line in {ANSWER_TIME:?}"),
        end => end.to_string(),
    }
}

impl std::fmt::Display for ReadEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silence => {
                write!(f, "{ANSWER_TIME:?} of silence on the open connection")
            }
            Self::End => f.write_str("the end of the connection"),
            Self::Reset => f.write_str("a reset of the connection"),
            Self::Flood => f.write_str("more than any answer can have"),
        }
    }
}
