//! How much memory a program has needed, as Linux counts it.

/// The most memory, in bytes, that the processes of a group have had so far:
/// `VmHWM` in proc(5). `None` when they are gone, or on another system.
#[cfg(target_os = "linux")]
pub(crate) fn peak(group: u32) -> Option<usize> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let peaks = processes.filter_map(|process| peak_of(&process.path(), group));
    // Whoever has ended, and was not looked at yet, has no memory any more.
    Some(peaks.sum()).filter(|sum| *sum > 0)
}

/// The same of one process, if it is in the group.
#[cfg(target_os = "linux")]
fn peak_of(process: &std::path::Path, group: u32) -> Option<usize> {
    /// Where the group stands, behind the name in brackets.
    const GROUP: usize = 2;
    let read = |file| std::fs::read_to_string(process.join(file)).ok();
    let stat = read("stat")?;
    // The name may hold anything, brackets and spaces, too.
    let (_, fields) = stat.rsplit_once(')')?;
    if fields.split_whitespace().nth(GROUP)?.parse() != Ok(group) {
        return None;
    }
    let status = read("status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The same on other systems: it is not measured there.
#[cfg(not(target_os = "linux"))]
pub(crate) fn peak(_group: u32) -> Option<usize> {
    None
}
