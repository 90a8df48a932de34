//! Ports with known numbers, which no other check takes meanwhile.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use harness::{Deadline, hold_port};
use socket2::Socket;

use crate::finding::Finding;
use crate::trial::Trial;

/// How many ports a block has, with the one that locks it.
pub(crate) const BLOCK: u16 = 40;

/// Below the ports that systems give to outgoing connections and to port 0.
const FROM: Range<u16> = 10_000..32_000;

/// How often we look whether a port is free that all want, and how long.
const TURN_TIME: Duration = Duration::from_millis(20);
const LONGEST_TURN: Duration = Duration::from_secs(40);

/// How many blocks are tried before we give up.
const TRIES: usize = 200;

/// Neighbouring ports that are free when it is made. Its first port is held as
/// long as it lives: two checks never take the same block.
#[derive(Debug)]
pub(crate) struct Block {
    first: u16,
    lock: Socket,
}

impl Block {
    /// Takes a block at random.
    pub(crate) fn take() -> Result<Self, Finding> {
        for _ in 0..TRIES {
            // The only random numbers of std.
            let random = RandomState::new().hash_one(0);
            let blocks = u64::from((FROM.end - FROM.start) / BLOCK);
            let nth = u16::try_from(random % blocks).unwrap_or(0);
            let first = FROM.start + nth * BLOCK;
            let Ok(lock) = hold_port(first) else { continue };
            let block = Self { first, lock };
            let free = |nth| hold_port(block.port(nth)).is_ok();
            if without_children(|| (0..BLOCK - 1).all(free)) {
                return Ok(block);
            }
        }
        Err(Finding::of_machine("no row of free ports", &"all tries failed"))
    }

    /// The port with this number in the block, from 0.
    pub(crate) const fn port(&self, nth: u16) -> u16 {
        self.first + 1 + nth
    }

    /// Listens on some of the ports, as another program would.
    pub(crate) fn hold(
        &self,
        ports: Range<u16>,
    ) -> Result<Vec<TcpListener>, Finding> {
        ports
            .map(|nth| {
                let port = self.port(nth);
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(
                    |error| Finding::of_machine("a port is taken", &error),
                )
            })
            .collect()
    }
}

/// A long row of taken ports, and a free one behind them.
#[derive(Debug)]
pub(crate) struct Row {
    last: Block,
    _held: Vec<Socket>,
}

impl Row {
    /// So many blocks are taken as a whole; behind them comes one more.
    const BLOCKS: u16 = 3;

    /// Takes one at random.
    pub(crate) fn take() -> Result<Self, Finding> {
        for _ in 0..TRIES {
            let last = Block::take()?;
            let Some(first) = last.first.checked_sub(BLOCK * Self::BLOCKS)
            else {
                continue;
            };
            let held: io::Result<Vec<_>> =
                (first..last.first).map(hold_port).collect();
            let Ok(held) = held else { continue };
            let taken = held.iter().chain([&last.lock]);
            if taken.map(|socket| socket.listen(1)).all(|it| it.is_ok()) {
                return Ok(Self { last, _held: held });
            }
        }
        Err(Finding::of_machine("no long row of ports", &"all tries failed"))
    }

    /// The first port, which is taken like those behind it.
    pub(crate) const fn first(&self) -> u16 {
        self.last.first - BLOCK * Self::BLOCKS
    }

    /// The one that is free.
    pub(crate) const fn free(&self) -> u16 {
        self.last.port(0)
    }
}

/// Does something while no process is being started.
///
/// A child that has not begun its program yet holds a copy of every socket of
/// ours. What we close in that moment stays open: the port is not free.
pub(crate) fn without_children<T>(act: impl FnOnce() -> T) -> T {
    static STARTING: Mutex<()> = Mutex::new(());
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    act()
}

/// Gives a port back, and returns when the system has it.
///
/// A child that has just begun its program may keep its copies a moment
/// longer.
pub(crate) fn release<T>(holder: T, port: u16) {
    const PAUSE: Duration = Duration::from_millis(1);
    const PAUSES: usize = 2000;
    without_children(|| {
        drop(holder);
        for _ in 0..PAUSES {
            if hold_port(port).is_ok() {
                return;
            }
            thread::sleep(PAUSE);
        }
    });
}

/// Whether somebody could bind the port just now.
pub(crate) fn is_free(port: u16) -> bool {
    without_children(|| hold_port(port).is_ok())
}

/// Some ports are one for all, such as 8080: checks that run at the same time,
/// in other processes too, take turns. Whose turn it is has the port of half
/// the number in UDP, which no program under test looks at.
pub(crate) fn turn(trial: &Trial, port: u16) -> Result<UdpSocket, Finding> {
    let half = port / 2;
    in_turn(trial, half, || UdpSocket::bind((Ipv4Addr::LOCALHOST, half)))
}

/// Waits until a port can be had. The program gets this time back.
pub(crate) fn in_turn<T>(
    trial: &Trial,
    port: u16,
    mut bind: impl FnMut() -> io::Result<T>,
) -> Result<T, Finding> {
    let until = Deadline::after(LONGEST_TURN);
    loop {
        match bind() {
            Ok(socket) => return Ok(socket),
            Err(_) if !until.is_over() => {
                trial.grant(TURN_TIME);
                thread::sleep(TURN_TIME);
            }
            Err(error) => {
                let what = format!("port {port}");
                return Err(Finding::of_machine(&what, &error));
            }
        }
    }
}
