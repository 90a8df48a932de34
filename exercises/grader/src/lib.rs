//! `cargo grade`: builds and checks a class's answers to the exercises.
//!
//! It runs what students wrote. The README says what it protects from, and
//! what it does not.
//!
//! - [`submission`] finds who handed in what;
//! - [`tree`] is our copy of the course; [`overlay`] lays a student's `src/`
//!   over it, and [`build`] has cargo build it;
//! - [`check`] checks one program, in a process of its own;
//! - [`process`] starts all these processes, and ends them and what they left;
//! - [`class`] does this for one submission after the other;
//! - [`verdict`] is what comes of it, which [`table`] and [`results`] write.

pub mod build;
pub mod check;
pub mod class;
pub mod overlay;
pub mod process;
pub mod results;
pub mod submission;
pub mod table;
pub mod tree;
pub mod verdict;
