//! Network interfaces: netdevice(7).
#![allow(unsafe_code, reason = "no safe library that we use wraps these requests")]

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;

use super::{check, descriptor};

/// Brings up the loopback interface of the caller's network namespace.
pub(crate) fn raise_loopback() -> Result<(), Errno> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers only.
    let socket: OwnedFd = descriptor(libc::c_long::from(unsafe { libc::socket(libc::AF_INET, kind, 0) }))?;
    // SAFETY: a request of zeros is a valid one: an empty name and no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes_with_nul()) {
        *to = from.cast_signed();
    }
    let up = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(up).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `request` is a live structure of the type that this request takes.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(libc::c_long::from(answer))?;
    Ok(())
}
