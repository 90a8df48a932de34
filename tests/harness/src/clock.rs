//! Deadlines by a clock that does not count the time in which the machine did
//! not let us run: it may be overloaded, or sleep. Whoever could not look has
//! no right to say that nothing came.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

/// How often the clock ticks.
const TICK: Duration = Duration::from_millis(20);

/// A tick that comes later than this was held up: the rest does not count.
const LATE: Duration = Duration::from_millis(40);

/// What has passed since the first look at the clock, in microseconds.
static PASSED: AtomicU64 = AtomicU64::new(0);

/// Whether the thread that ticks could be started.
static TICKS: LazyLock<(Instant, bool)> = LazyLock::new(|| {
    let ticking = Builder::new().name("clock".to_owned()).spawn(|| {
        let mut last = Instant::now();
        loop {
            thread::sleep(TICK);
            let now = Instant::now();
            let passed = (now - last).min(LATE);
            let passed = u64::try_from(passed.as_micros()).unwrap_or(0);
            PASSED.fetch_add(passed, Ordering::Relaxed);
            last = now;
        }
    });
    (Instant::now(), ticking.is_ok())
});

fn now() -> Duration {
    match *TICKS {
        (_, true) => Duration::from_micros(PASSED.load(Ordering::Relaxed)),
        (begin, false) => begin.elapsed(),
    }
}

/// A moment at which a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Duration);

impl Deadline {
    /// The moment in which `time` has passed from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(now() + time)
    }

    /// The moment that is `time` later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0 + time)
    }

    /// What is left until then, as a wait of the system takes it: never zero.
    /// `None` when the moment has come.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        let left = self.0.saturating_sub(now());
        (!left.is_zero()).then_some(left)
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.left().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_over_after_its_time_and_not_before() {
        let time = Duration::from_millis(200);
        let begin = Instant::now();
        let deadline = Deadline::after(time);
        assert!(!deadline.is_over());

        while let Some(left) = deadline.left() {
            assert!(begin.elapsed() < 50 * time, "the clock stands still");
            thread::sleep(left);
        }

        assert!(begin.elapsed() + 2 * LATE > time, "{:?}", begin.elapsed());
    }
}
