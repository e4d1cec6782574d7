//! Whether the guest of a run is still there.
//!
//! A guest that closes a stream says something by it: that a file is whole. One that trapped or was stopped says nothing, and
//! yet its streams close, because they go with its store. So the run says first that the guest has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether it is there. Clones know the same.
#[derive(Clone, Default)]
pub(crate) struct Presence {
    left: Arc<AtomicBool>,
}

impl Presence {
    pub(crate) fn is_over(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// It is there until what this gives is dropped, which must be before its store is.
    pub(crate) fn stay(&self) -> Stay {
        Stay(self.clone())
    }
}

/// As long as the guest is there.
pub(crate) struct Stay(Presence);

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.left.store(true, Ordering::Release);
    }
}
