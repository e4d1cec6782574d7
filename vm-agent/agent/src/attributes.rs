//! What the agent sets on itself before it serves: partly for itself, partly because commands inherit it.

#![allow(unsafe_code, reason = "rt_sigaction(2) for all signals, which no wrapper allows")]

use std::ptr;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, umask};

/// The greatest signal number: signal(7).
const LAST_SIGNAL: libc::c_int = 64;

/// An attribute could not be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttributeError {
    #[error("failed to become unreadable to other processes")]
    Dumpable(#[source] Errno),
    #[error("failed to become the parent of orphans")]
    Subreaper(#[source] Errno),
    #[error("failed to block signals")]
    Mask(#[source] Errno),
}

pub(crate) fn set() -> Result<(), AttributeError> {
    // No other process may attach to this one or read its memory, of whatever user it is.
    prctl::set_dumpable(false).map_err(AttributeError::Dumpable)?;
    // Pid 1 is that already; elsewhere, orphans shall come here just the same.
    prctl::set_child_subreaper(true).map_err(AttributeError::Subreaper)?;
    // For good: a command gets an empty mask of its own, and SIGCHLD is read from a descriptor.
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).map_err(AttributeError::Mask)?;
    reset_dispositions();
    // Whatever the host's is: programs expect the usual one.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    Ok(())
}

/// The kernel's `struct sigaction`: handler, flags, restorer, mask. All zero is the default disposition.
type KernelAction = [u64; 4];

/// What is ignored stays ignored across execve(2), so nothing may be: neither what the host ignored nor what
/// Rust's start-up does (`SIGPIPE`).
fn reset_dispositions() {
    let default: KernelAction = [0; 4];
    for signal in 1..=LAST_SIGNAL {
        // Not by sigaction(3), which keeps two signals to itself. SIGKILL and SIGSTOP refuse: they have no other.
        // SAFETY: reads one structure, writes none, and the default disposition runs no code of ours.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null_mut::<KernelAction>(),
                size_of::<u64>(),
            )
        };
    }
}
