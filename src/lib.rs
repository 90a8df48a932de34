//! The code that the lessons of first-socket share.
//!
//! A lesson is one file in `lessons/`. What a later lesson needs again is
//! here, one job a file.
//!
//! Ideas, each explained line by line in the chapter that brings it:
//!
//! - [`linger`] (chapter 02): a close that loses nothing;
//! - [`server`] and [`connection`] (chapter 03): the table of open
//!   connections, and what one of them is; its deadline (chapter 04);
//! - [`message`] (chapter 04): the length-prefixed message;
//! - [`files`] (chapter 05): a file without a name until it is complete.
//!
//! The rest is plumbing:
//!
//! - [`flags`] and [`net`]: `--host`, `--port` and the limits; listen and
//!   connect;
//! - [`events`], [`errors`] and [`escape`]: what a program prints;
//! - [`ctrl_c`] and [`backoff`]: what ends `accept`, and what to do when it
//!   fails.

pub mod backoff;
pub mod connection;
pub mod ctrl_c;
pub mod errors;
pub mod escape;
pub mod events;
pub mod files;
pub mod flags;
pub mod linger;
pub mod message;
pub mod net;
pub mod server;
