//! Goes through a program from one call into the kernel to the next, as a
//! debugger does: `ptrace(2)`. Only Linux has it in this form.

use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use harness::Deadline;

/// How often a program is stopped at most. Two stops are one call, and a Rust
/// program has made about 100 calls when it listens.
const MOST_LOOKS: usize = 1000;

/// How often we look whether the process has stopped, and how long at once.
const PAUSE: Duration = Duration::from_micros(50);
const LOOK_TIME: Duration = Duration::from_millis(20);

/// Follows the main thread of a process that has just been started and stops
/// itself, and calls `look` whenever the thread is stopped before or after a
/// call into the kernel. Ends when `over` says so, or with the process; it may
/// then be stopped, and has to be killed. Ends also after many calls, or at
/// `until`: the process then goes on alone.
///
/// Returns `false` when the process has not stopped itself in time.
pub(crate) fn between_calls(
    id: u32,
    until: Deadline,
    mut look: impl FnMut(),
    over: impl Fn() -> bool,
) -> bool {
    let Ok(id) = i32::try_from(id).map(Pid::from_raw) else { return false };
    if wait_for_stop(id, until).is_none() {
        return false;
    }
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD;
    let followed = ptrace::seize(id, options).is_ok();
    // It goes on even where the system does not allow to follow it.
    let _ = kill(id, Signal::SIGCONT);
    let mut looks = 0;
    while followed && !over() {
        // Late, or waiting in a call: the next stop is the last one.
        if until.is_over() && ptrace::interrupt(id).is_err() {
            break;
        }
        let soon = Deadline::after(LOOK_TIME);
        let Some(signal) = wait_for_stop(id, soon) else { continue };
        let Ok(signal) = signal else { break };
        look();
        looks += 1;
        let ended = if looks == MOST_LOOKS || until.is_over() {
            ptrace::detach(id, signal).and(Err(Errno::ECHILD))
        } else {
            ptrace::syscall(id, signal)
        };
        if ended.is_err() {
            break;
        }
    }
    true
}

/// Waits until the process is stopped; returns the signal that is on its way
/// to it, if that is why, and an error when the process has ended.
fn wait_for_stop(
    id: Pid,
    until: Deadline,
) -> Option<nix::Result<Option<Signal>>> {
    // Stops alone: an end is for whoever waits for the process.
    const STOPS: WaitPidFlag = WaitPidFlag::WSTOPPED
        .union(WaitPidFlag::WNOHANG)
        .union(WaitPidFlag::__WALL);
    loop {
        match waitid(Id::Pid(id), STOPS) {
            Ok(WaitStatus::StillAlive) if until.is_over() => return None,
            Ok(WaitStatus::StillAlive) => thread::sleep(PAUSE),
            Ok(WaitStatus::PtraceEvent(_, signal, 0))
                if signal != Signal::SIGTRAP =>
            {
                return Some(Ok(Some(signal)));
            }
            Ok(_) => return Some(Ok(None)),
            Err(error) => return Some(Err(error)),
        }
    }
}
