//! One call as another user of the host. Users and capabilities are a thread's own: credentials(7).
#![allow(unsafe_code, reason = "libc's own setresuid changes all threads")]

use nix::errno::Errno;
use nix::libc::uid_t;
use nix::unistd::getresuid;

use super::capability::{Word, set_words, words};
use super::check;

/// Makes a call as the real and effective user `user`, with all capabilities that the caller may have.
///
/// The kernel dumps no core of a process that has changed its user, and lets nobody but root trace it.
pub(super) fn as_user<T>(user: u32, call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let (users, capabilities) = (getresuid()?, words()?);
    // Changes nothing, but finds out now what could not be undone later.
    set_words(&capabilities)?;
    // Root stays the saved user: with the last root of the three goes all that is permitted.
    set_users(user, user, users.effective.as_raw())?;
    let answer = set_words(&capabilities.map(Word::in_effect)).and_then(|()| call());
    let is_back = set_users(users.real.as_raw(), users.effective.as_raw(), users.saved.as_raw())
        .and_then(|()| set_words(&capabilities));
    if is_back.is_err() {
        // What this thread made from here on would belong to a sandbox.
        std::process::abort();
    }
    answer
}

fn set_users(real: uid_t, effective: uid_t, saved: uid_t) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_setresuid, real, effective, saved) })?;
    Ok(())
}
