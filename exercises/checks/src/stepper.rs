//! Goes through a program from one call into the kernel to the next, as a
//! debugger does: `ptrace(2)`. Only Linux has it in this form.

use crate::clock::Deadline;

/// How often a program is stopped at most. Two stops are one call, and a Rust
/// program has made about 100 calls when it listens.
#[cfg(target_os = "linux")]
const MOST_LOOKS: usize = 1000;

/// Follows the main thread of a process that has just been started, and calls
/// `look` whenever the thread is stopped before or after a call into the
/// kernel. Ends when `over` says so, or with the process; it may then be
/// stopped, and has to be killed. Ends also after many calls, or at `until`: the
/// process then goes on alone.
///
/// Returns `false` when the system does not allow it.
#[cfg(target_os = "linux")]
pub(crate) fn between_calls(
    id: u32,
    until: Deadline,
    mut look: impl FnMut(),
    over: impl Fn() -> bool,
) -> bool {
    use nix::sys::ptrace;
    use nix::sys::signal::Signal;
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    use nix::unistd::Pid;

    // Stops alone: an end is for whoever waits for the process.
    const STOPS: WaitPidFlag = WaitPidFlag::WSTOPPED
        .union(WaitPidFlag::WNOHANG)
        .union(WaitPidFlag::__WALL);

    let Ok(id) = i32::try_from(id).map(Pid::from_raw) else { return false };
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD;
    let seized = ptrace::seize(id, options);
    if seized.and_then(|()| ptrace::interrupt(id)).is_err() {
        return false;
    }
    let mut looks = 0;
    while !over() {
        let signal = match waitid(Id::Pid(id), STOPS) {
            // A signal on its way to the program goes on.
            Ok(WaitStatus::PtraceEvent(_, signal, 0))
                if signal != Signal::SIGTRAP =>
            {
                Some(signal)
            }
            Ok(WaitStatus::StillAlive) => {
                if until.is_over() {
                    let _ = ptrace::interrupt(id);
                }
                std::thread::sleep(std::time::Duration::from_micros(50));
                continue;
            }
            Ok(_) => None,
            // It has ended.
            Err(_) => return true,
        };
        look();
        looks += 1;
        if looks == MOST_LOOKS || until.is_over() {
            let _ = ptrace::detach(id, signal);
            return true;
        }
        if ptrace::syscall(id, signal).is_err() {
            return true;
        }
    }
    true
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn between_calls(
    _id: u32,
    _until: Deadline,
    _look: impl FnMut(),
    _over: impl Fn() -> bool,
) -> bool {
    false
}
