//! Faults, and what is left after them: the tests in `tests/`. Here is what they share.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod small_disk;

use parking_lot::{Mutex, MutexGuard};
pub use small_disk::SmallDisk;

/// What one test leaves for a moment must not count against another.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let alone = ONE_AT_A_TIME.lock();
    // The first runtime of a process makes what stays for all: the socket pair that tokio hears of signals by.
    block_on(async {});
    alone
}

/// Runs `work` on a runtime of its own, so that its threads and descriptors go too.
pub fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}
