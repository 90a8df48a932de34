//! `cargo course`: the student's companion. It shows what is done and what is
//! next, checks programs, and helps whoever is stuck.
//!
//! - `task` knows all exercises and changes, `tree` where their files are;
//! - `page` and `readme` read texts; `starter` makes what a task begins with,
//!   and `keep` takes away what is there without losing it;
//! - `compile` runs cargo, `judge` climbs a ladder and prints it;
//! - `watch` does both at every save: `saves`, `keys` and `inbox` are its ears;
//! - `progress` remembers, `overview` shows.

mod compile;
mod help;
mod inbox;
mod judge;
mod keep;
mod keys;
mod overview;
mod page;
mod progress;
mod readme;
mod saves;
mod screen;
mod starter;
mod task;
mod tree;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use first_socket::ctrl_c;
use first_socket::errors::{self, Error};

use task::Task;
use tree::Tree;

/// Your companion in the course
///
/// Without a command it shows what is done, and what is next. A TASK is an
/// exercise, such as ex03, or a change inside a chapter, such as 04c: that is
/// change 04.3.
///
/// The exit code is 0 if all rungs are climbed, 1 if not or if anything failed,
/// and 2 for wrong usage.
#[derive(Parser)]
#[command(name = "course", bin_name = "cargo course", verbatim_doc_comment)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Build and check your program once
    Check {
        /// Such as ex03 or 04c
        task: Task,
        /// Check another program, in any language: -- python3 chat.py
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Build and check your program whenever you save it
    Watch {
        /// What is next, if you name none
        task: Option<Task>,
        /// Look at the files twice a second, where saves go unnoticed: in some
        /// containers and on network drives
        #[arg(long)]
        poll: bool,
    },
    /// Get your copy for a change inside a chapter
    Start {
        /// Such as 04c
        task: Task,
        /// Begin with your own server: the folder of its package, or its file
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
    /// Get a hint, and each time one more
    Hint {
        /// Such as ex03; what is next, if you name none
        task: Option<Task>,
    },
    /// Begin anew; what you have is kept in a folder with the date
    Reset {
        /// Such as ex03 or 04c
        task: Task,
    },
    /// See a right answer, once yours is right
    Answer {
        /// Such as ex03 or 04c; what is next, if you name none
        task: Option<Task>,
        /// Before yours is right
        #[arg(long)]
        anyway: bool,
    },
}

fn main() -> ExitCode {
    screen::prepare();
    match run(Args::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => errors::exit_code(Err(error)),
    }
}

/// Whether all is as it should be.
fn run(command: Option<Command>) -> Result<bool, Error> {
    let tree = Tree::open();
    let Some(command) = command else {
        return overview::show(&tree).map(|()| true);
    };
    match command {
        Command::Check { task, command } => {
            ctrl_c::catch(None, |_| ())?;
            return judge::check(&tree, task, command);
        }
        Command::Watch { task, poll } => watch::watch(&tree, task, poll),
        Command::Start { task, from } => {
            starter::start(&tree, task, from.as_deref())
        }
        Command::Hint { task } => {
            let task = overview::meant(&tree, task)?;
            let how = format!("cargo course hint {}", task.name());
            help::hint(&tree, task, &how)
        }
        Command::Reset { task } => starter::reset(&tree, task),
        Command::Answer { task, anyway } => {
            help::answer(&tree, overview::meant(&tree, task)?, anyway)
        }
    }
    .map(|()| true)
}
