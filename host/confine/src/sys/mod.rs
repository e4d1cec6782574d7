//! Everything unsafe of this crate: system calls that no safe library wraps, and the entry of a new process.
//!
//! Each function here is safe to call with any arguments: what the kernel does not like comes back as an [`Errno`].

mod attribute;
mod capability;
#[cfg(feature = "host")]
mod clone;
#[cfg(feature = "host")]
mod entry;
mod filter;
mod interface;
mod mount;
mod process;
#[cfg(feature = "host")]
mod user;

pub(crate) use attribute::keeps_user_attributes;
pub(crate) use capability::{CapabilitySets, drop_bounding, set_capabilities, set_secure_bits};
#[cfg(feature = "host")]
pub(crate) use clone::{Start, Started, clone_into, hold_user_namespace, try_namespaces};
pub(crate) use filter::install_filter;
#[cfg(feature = "host")]
pub(crate) use filter::{errno_filters_available, landlock_abi};
pub(crate) use interface::raise_loopback;
pub(crate) use mount::{MountFlags, attach_mount, attach_mount_on, clone_mount, restrict_mount};
#[cfg(feature = "host")]
pub(crate) use mount::{map_mount, mount_api_available};
pub(crate) use process::{open_pidfd, signal_pidfd};

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// The answer of libc's `syscall`, as a result.
fn check(answer: libc::c_long) -> Result<libc::c_long, Errno> {
    if answer < 0 { Err(Errno::last()) } else { Ok(answer) }
}

/// The answer of a call that opens a descriptor.
fn descriptor(answer: libc::c_long) -> Result<OwnedFd, Errno> {
    let raw = RawFd::try_from(check(answer)?).map_err(|_| Errno::EBADF)?;
    #[allow(unsafe_code, reason = "the kernel has just given this descriptor to us")]
    // SAFETY: `raw` was opened by the call whose answer this is, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
