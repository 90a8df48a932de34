//! The checks of the exercises: each is a ladder of rungs, which a program
//! climbs until it falls.
//!
//! A check takes the command line of a program, whoever wrote it, in whatever
//! language: students run it on theirs, the bank of answers proves it with
//! right and wrong ones, and the grader runs it on submissions. It knows
//! nothing but the protocol.
//!
//! - [`climb`] runs a ladder, [`main`] runs and prints it;
//! - `trial` is what a rung works with: it starts the program, and kills it;
//! - `client` is one connection to it;
//! - `free_port` … `gopher` hold the rungs of one exercise each;
//! - `changes` holds those of the small tasks inside the chapters.

mod changes;
mod chat;
mod client;
mod command_line;
mod finding;
mod free_port;
mod gopher;
mod ladder;
mod memory;
mod ports;
mod start;
#[cfg(target_os = "linux")]
mod stepper;
mod syslog;
mod time;
mod trial;

pub use changes::CHANGES;
pub use chat::CHAT;
pub use command_line::CommandLine;
pub use finding::{Failure, Finding};
pub use free_port::FREE_PORT;
pub use gopher::GOPHER;
pub use ladder::{
    Exercise, Outcome, RUNG_TIME, Rung, Step, climb, climb_until, main,
};
pub use syslog::SYSLOG;
pub use time::TIME;
pub use trial::Trial;

/// All exercises, in their order.
pub static ALL: [&Exercise; 5] = [&FREE_PORT, &TIME, &CHAT, &SYSLOG, &GOPHER];
