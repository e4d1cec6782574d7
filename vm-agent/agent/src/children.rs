//! Ended children: seen first, reaped after. As pid 1 the agent is given every orphan of the sandbox too.
//!
//! waitid(2) and waitpid(2) are called directly: the wrappers of nix fail on a child that a real-time signal
//! killed, and a child can choose to be.

#![allow(unsafe_code, reason = "waitid(2) and waitpid(2) fill in structures that the caller owns")]

use std::mem::MaybeUninit;
use std::ptr;

use mimobox_protocol::ExitStatus;
use nix::unistd::Pid;

/// A child that has ended, left as it is: until [`reap`] its pid names nothing else.
pub(crate) fn peek() -> Option<Pid> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` is writable and of the size that the kernel fills in.
    let result = unsafe {
        libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    if result != 0 {
        // ECHILD, as nothing else can be wrong: no children at all.
        return None;
    }
    // SAFETY: zeroed, so initialised whether or not the kernel wrote to it.
    let info = unsafe { info.assume_init() };
    // SAFETY: a zeroed siginfo_t, or one of a child: si_pid is meaningful in both.
    let pid = unsafe { info.si_pid() };
    (pid != 0).then(|| Pid::from_raw(pid))
}

/// Reaps a child that [`peek`] saw. From here on its pid may name something else.
pub(crate) fn reap(child: Pid) -> ExitStatus {
    let mut status = 0;
    // SAFETY: `status` is writable; WNOHANG since the child has ended.
    unsafe { libc::waitpid(child.as_raw(), ptr::from_mut(&mut status), libc::WNOHANG) };
    decode(status)
}

fn decode(status: i32) -> ExitStatus {
    // Both are a byte or less by their definition; a byte is what the kernel keeps.
    if libc::WIFSIGNALED(status) {
        ExitStatus::Signaled(u8::try_from(libc::WTERMSIG(status)).unwrap_or(u8::MAX))
    } else {
        ExitStatus::Exited(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_every_signal_is_told_apart() {
        for code in 0..=255_u8 {
            assert_eq!(decode(i32::from(code) << 8), ExitStatus::Exited(code));
        }
        for signal in 1..=64_u8 {
            assert_eq!(decode(i32::from(signal)), ExitStatus::Signaled(signal));
            assert_eq!(decode(i32::from(signal) | 0x80), ExitStatus::Signaled(signal), "with a core");
        }
    }
}
