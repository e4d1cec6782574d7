//! What the agent sets on itself before it serves: partly for itself, partly because commands inherit it.

#![allow(unsafe_code, reason = "sigaction(2) is unsafe where a handler is installed")]

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::sys::stat::{Mode, umask};

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

/// What is ignored stays ignored across execve(2), so nothing may be: neither what the host ignored nor what
/// Rust's start-up does (`SIGPIPE`).
fn reset_dispositions() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        // SAFETY: the default disposition runs no code of ours.
        let _ = unsafe { sigaction(signal, &default) };
        // SIGKILL and SIGSTOP refuse, and have no other disposition.
    }
}
