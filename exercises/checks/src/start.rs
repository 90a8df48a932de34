//! The first rung, which all exercises but the first share.

use harness::Deadline;

use crate::finding::Finding;
use crate::ports::Block;
use crate::trial::{START_TIME, Trial};

/// Starts the program twice at once: on a port that the system picks, and on
/// one that we name. Somebody can connect to both.
pub(crate) fn it_starts(trial: &Trial, args: &[&str]) -> Result<(), Finding> {
    let block = Block::take()?;
    let port = block.port(0).to_string();
    trial.note(format!("started with --port 0, and with --port {port}"));
    let any = trial.spawn(&[&["--port", "0"], args].concat())?;
    let named = trial.spawn(&[&["--port", &port], args].concat())?;
    let until = Deadline::after(START_TIME);

    let any = trial.await_listening(any, until)?;
    any.connect("A")?;

    let named = trial.await_listening(named, until)?;
    if named.address.port() != block.port(0) {
        return Err(Finding::new(
            format!("with --port {port}: [LISTENING] {}", named.address),
            format!("[LISTENING] 127.0.0.1:{port}"),
            "the program does not use the port that --port gives, or prints \
             another one than it has.",
        ));
    }
    named.connect("B")?;
    Ok(())
}
