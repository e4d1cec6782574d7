//! Waiting.

use std::time::Duration;

use crate::bindings::mimobox::host::timer;
use crate::clock;

/// Waits this long; gives back how long it really was.
pub async fn sleep(duration: Duration) -> Duration {
    Duration::from_nanos(timer::sleep(clock::nanoseconds(duration)).await)
}
