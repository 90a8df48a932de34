//! The code that the lessons of first-socket share.
//!
//! A lesson is one file in `lessons/`. What a later lesson needs again is
//! here, in two groups.
//!
//! Ideas, each explained line by line in the chapter that brings it:
//!
//! - [`deadline`] and [`hang_up`] (chapter 02): a wait that ends, and the
//!   orderly close;
//! - [`clients`] and [`accept_retry`] (chapter 03): a thread for each, a
//!   limit, an end, and a rest when `accept` fails;
//! - [`message`] (chapter 04): the length-prefixed message.
//!
//! The rest, which is no lesson:
//!
//! - [`cli`] gives `--host`, `--port` and the limits, as flags;
//! - [`report`] prints events, and errors that say what to do;
//! - [`shutdown`] turns Ctrl-C into a flag.

pub mod accept_retry;
pub mod cli;
pub mod clients;
pub mod deadline;
pub mod hang_up;
pub mod message;
pub mod report;
pub mod shutdown;
