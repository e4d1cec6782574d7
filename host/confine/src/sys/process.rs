//! Handles on processes: pidfd_open(2), pidfd_send_signal(2).
#![allow(unsafe_code, reason = "no safe library that we use wraps these calls")]

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{check, descriptor};

/// A handle on a process, which stays with that process even if its number is given to another.
pub(crate) fn open_pidfd(pid: libc::pid_t) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Sends a signal to the process of a handle.
pub(crate) fn signal_pidfd(process: BorrowedFd<'_>, signal: nix::sys::signal::Signal) -> Result<(), Errno> {
    let information = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null pointer stands for the information that kill(2) would send.
    check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as libc::c_int, information, 0)
    })?;
    Ok(())
}
