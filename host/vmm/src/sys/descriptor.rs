//! Descriptors that this process was started with.
#![allow(unsafe_code, reason = "a descriptor known by number alone becomes owned")]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The one descriptor that the host starts this program with, besides the three standard ones.
const CONNECTION: RawFd = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes descriptor 3, once. None if it was taken before or is not open.
pub(crate) fn take_descriptor() -> Option<OwnedFd> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return None;
    }
    // SAFETY: takes numbers only.
    if unsafe { libc::fcntl(CONNECTION, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return None;
    }
    // SAFETY: it is open, `main` calls this before anything else opens a descriptor, and `TAKEN` lets only one caller through.
    Some(unsafe { OwnedFd::from_raw_fd(CONNECTION) })
}
