//! The janitor: a process beside the host that outlives it, and clears up what the host leaves if it dies.
//!
//! Sandboxes themselves die with their host, since their agents lose their connection; but nobody is left to remove their
//! cgroups, and a sandbox that is paused cannot see that its host has gone. So the host starts one janitor, gives it one end
//! of a socket and, as arguments, its own cgroup directories. However the host ends, the socket closes; then the janitor
//! kills what is left in those directories and removes them. Where the host has removed them itself, nothing is left to do.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use mimobox_confine::empty_and_remove;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{ForkResult, chdir};

/// Waits until `socket` closes, then clears up.
pub(crate) fn run(socket: OwnedFd) -> ExitCode {
    let groups: Vec<PathBuf> = std::env::args_os().skip(2).map(PathBuf::from).collect();
    // It is nobody's child, so that no host has to wait for it; the host started it as a session of its own. What ends the
    // host by its terminal or its service manager must not end the janitor first.
    match detach() {
        Ok(ForkResult::Parent { .. }) => return ExitCode::SUCCESS,
        Ok(ForkResult::Child) => {}
        Err(_) => return ExitCode::FAILURE,
    }
    let mut socket = UnixStream::from(socket);
    // The host never writes; an error is an end too.
    while matches!(socket.read(&mut [0; 16]), Ok(1..)) {}
    match empty_and_remove(&groups) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[allow(unsafe_code, reason = "fork is unsafe where other threads may hold locks; there are none")]
fn detach() -> nix::Result<ForkResult> {
    // All but SIGKILL and SIGSTOP.
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
    chdir("/")?;
    // SAFETY: this process has one thread.
    unsafe { nix::unistd::fork() }
}
