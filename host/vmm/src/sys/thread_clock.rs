//! Processor time of single threads: clock_gettime(2).
#![allow(unsafe_code, reason = "no safe library reads another thread's clock")]

use std::mem::MaybeUninit;
use std::time::Duration;

/// The clock of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The calling thread's.
    pub(crate) fn of_this_thread() -> Self {
        // SAFETY: takes nothing.
        let thread = unsafe { libc::gettid() };
        // `MAKE_THREAD_CPUCLOCK` of Linux: the number inverted, then "of a thread" and "time on a processor".
        Self(!thread << 3 | 6)
    }

    /// Time that it has had a processor for. Zero once it has ended.
    pub(crate) fn read(self) -> Duration {
        read(self.0)
    }
}

/// Time that all threads have had a processor for.
pub(crate) fn processor_time() -> Duration {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel writes one `timespec`, for which there is room.
    if unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) } != 0 {
        return Duration::ZERO;
    }
    // SAFETY: zeros are a valid `timespec`, and so is what the kernel writes.
    let time = unsafe { time.assume_init() };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
