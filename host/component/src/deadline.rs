//! The end of a guest's time, and how a guest that spins shares its thread until then.

use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};

/// What a guest is stopped with.
#[derive(Debug, thiserror::Error)]
#[error("its time is up")]
pub(crate) struct TimeIsUp;

/// From now on, whatever runs in `store` lets others run at every tick of the engine's clock, and is stopped after `time`.
pub(crate) fn enforce<T: Send + 'static>(store: &mut Store<T>, time: Duration) {
    let end = Instant::now().checked_add(time);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| match end {
        Some(end) if Instant::now() >= end => Err(TimeIsUp.into()),
        _ => Ok(UpdateDeadline::Yield(1)),
    });
}
