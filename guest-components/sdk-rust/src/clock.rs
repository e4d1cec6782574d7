//! The time of day, and time gone by. The same on every target, unlike those of std.

use std::time::{Duration, SystemTime};

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};

/// The time of day.
pub fn now() -> SystemTime {
    let now = wall_clock::now();
    SystemTime::UNIX_EPOCH + Duration::new(now.seconds, now.nanoseconds)
}

/// A moment on a clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// This moment.
    pub fn now() -> Self {
        Self(monotonic_clock::now())
    }

    /// How long ago it was.
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(monotonic_clock::now().saturating_sub(self.0))
    }
}

/// As the host counts it. What is longer than 584 years is as good as for ever.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A point in time as the host writes it.
pub(crate) fn system_time(datetime: crate::bindings::mimobox::host::types::Datetime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(datetime.seconds, datetime.nanoseconds)
}
