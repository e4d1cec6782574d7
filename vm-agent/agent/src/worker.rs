//! Work that the agent does in a process of its own: a fork of itself that executes no program.
//!
//! `processes` starts one for each operation on files. It is signalled and ends like a command, and may be stuck, or killed
//! for its memory, without harm to the agent. What it works with is hostile, so it holds nothing of the agent's but its
//! memory: no connection, no other pipe, and on behalf of a command's user none of the agent's rights.

#![allow(unsafe_code, reason = "fork is unsafe where other threads may hold locks; there are none")]

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;

use mimobox_protocol::{FileFailure, SpawnFailure};
use nix::errno::Errno;
use nix::sys::signal::{SIGPIPE, SIGXFSZ, SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{ForkResult, Pid, chdir, fork, setpgid};

use crate::child;
use crate::identity::User;

/// The lowest number that is not a standard stream's.
const FIRST: u32 = 3;

/// Starts a process that does `work` with `pipe`, as another user or as the agent's own where `user` is none, and ends with
/// a code that says what came of it. It leads a process group. Of the agent's descriptors it has `kept` alone.
pub(crate) fn start(
    user: Option<User>,
    pipe: Option<OwnedFd>,
    kept: Option<&OwnedFd>,
    work: impl FnOnce(Option<OwnedFd>) -> Result<(), FileFailure>,
) -> Result<Pid, SpawnFailure> {
    // SAFETY: the agent has one thread.
    match unsafe { fork() }.map_err(child::failed)? {
        ForkResult::Parent { child } => {
            // The child does the same: whichever comes first, a signal to the group finds it from here on.
            let _ = setpgid(child, child);
            Ok(child)
        }
        ForkResult::Child => {
            // Unwinding would lead back into the agent's own loop.
            let outcome = catch_unwind(AssertUnwindSafe(|| run(user, pipe, kept, work)));
            process::exit(code(outcome.unwrap_or(Err(FileFailure::Failed))))
        }
    }
}

fn run(
    user: Option<User>,
    pipe: Option<OwnedFd>,
    kept: Option<&OwnedFd>,
    work: impl FnOnce(Option<OwnedFd>) -> Result<(), FileFailure>,
) -> Result<(), FileFailure> {
    prepare(user, [pipe.as_ref(), kept]).map_err(not_prepared)?;
    let outcome = work(pipe);
    if outcome == Err(FileFailure::Killed) {
        // It has cleared up. Now the signal that was held back may come, and say so.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    }
    outcome
}

fn prepare(user: Option<User>, kept: [Option<&OwnedFd>; 2]) -> Result<(), SpawnFailure> {
    // Where the agent was faster the group is there already.
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    close_all_but(kept).map_err(child::failed)?;
    if let Some(user) = user {
        child::switch(user)?;
    }
    chdir("/").map_err(child::failed)?;
    // All are blocked in the agent. A pipe without a reader and a file beyond the limit shall be errors.
    let held_back = SigSet::from_iter([SIGPIPE, SIGXFSZ]);
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&held_back), None).map_err(child::failed)
}

/// The standard streams are the agent's own, and lead nowhere.
fn close_all_but(kept: [Option<&OwnedFd>; 2]) -> Result<(), Errno> {
    let mut kept = kept.map(|kept| kept.and_then(|kept| u32::try_from(kept.as_raw_fd()).ok()));
    kept.sort_unstable();
    let mut first = FIRST;
    for kept in kept.into_iter().flatten() {
        if let Some(below) = kept.checked_sub(1).filter(|below| *below >= first) {
            child::close_range(first, below)?;
        }
        first = kept.saturating_add(1).max(first);
    }
    child::close_from(first)
}

fn not_prepared(failure: SpawnFailure) -> FileFailure {
    match failure {
        SpawnFailure::PermissionDenied => FileFailure::PermissionDenied,
        SpawnFailure::LimitReached => FileFailure::LimitReached,
        _ => FileFailure::Failed,
    }
}

fn code(outcome: Result<(), FileFailure>) -> i32 {
    outcome.map_or_else(|failure| i32::from(failure.code()), |()| 0)
}
