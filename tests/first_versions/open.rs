//! The first version of lesson 01, which no [`harness::Server`] can run.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use harness::PATIENCE;

use crate::copy::first;

/// The first version, which needs an input that stays open: Enter ends it.
pub struct Open {
    pub child: Child,
    pub address: SocketAddr,
}

impl Open {
    pub fn start() -> Self {
        let mut child = Command::new(first("01_first"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = receiver.recv_timeout(PATIENCE).expect("a line");
        let address = line.strip_prefix("[LISTENING] ").unwrap();
        let address = address.parse().unwrap();
        Self { child, address }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
