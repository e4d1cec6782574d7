//! Extended attributes: xattr(7).
#![allow(unsafe_code, reason = "no safe library that we use wraps these calls")]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::check;

/// Whether the file system of `directory` keeps attributes in the name space of users, by making one and removing it.
pub(crate) fn keeps_user_attributes(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    const PROBE: &std::ffi::CStr = c"user.mimobox";
    // SAFETY: the name is a NUL-terminated string that lives through the call; of the value there are no bytes.
    let made = unsafe { libc::fsetxattr(directory.as_raw_fd(), PROBE.as_ptr(), std::ptr::null(), 0, 0) };
    match check(made.into()) {
        Err(Errno::EOPNOTSUPP) => return Ok(false),
        answer => answer?,
    };
    // SAFETY: as above.
    check(unsafe { libc::fremovexattr(directory.as_raw_fd(), PROBE.as_ptr()) }.into())?;
    Ok(true)
}
