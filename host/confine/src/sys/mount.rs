//! The mount calls of Linux 5.12: clone a tree of mounts, restrict it while nobody sees it, attach it.
#![allow(unsafe_code, reason = "no safe library wraps these calls")]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{check, descriptor};

/// `mount_setattr(2)`: attributes of a mount.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MountFlags(u64);

impl MountFlags {
    pub(crate) const READ_ONLY: Self = Self(libc::MOUNT_ATTR_RDONLY);
    pub(crate) const NO_SET_USER_ID: Self = Self(libc::MOUNT_ATTR_NOSUID);
    pub(crate) const NO_DEVICES: Self = Self(libc::MOUNT_ATTR_NODEV);
    pub(crate) const NO_EXECUTE: Self = Self(libc::MOUNT_ATTR_NOEXEC);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A detached copy of what is mounted at `path` below `directory`, with all that is mounted below it. An empty path
/// stands for `directory` itself.
pub(crate) fn clone_mount(directory: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | libc::AT_RECURSIVE.cast_unsigned()
        | libc::AT_EMPTY_PATH.cast_unsigned();
    // SAFETY: `path` is a NUL-terminated string that lives through the call; the kernel only reads it.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, directory.as_raw_fd(), path.as_ptr(), flags) })
}

/// Adds `flags` to every mount of a tree.
pub(crate) fn restrict_mount(mount: BorrowedFd<'_>, flags: MountFlags) -> Result<(), Errno> {
    set_attributes(mount, libc::mount_attr { attr_set: flags.0, attr_clr: 0, propagation: 0, userns_fd: 0 })
}

/// Shows the files of every mount of a detached tree as owned by others: who is user 1 on the disk is user 1 of the user
/// namespace `users`.
#[cfg(feature = "host")]
pub(crate) fn map_mount(mount: BorrowedFd<'_>, users: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::from(users.as_raw_fd().cast_unsigned()),
    };
    set_attributes(mount, attributes)
}

fn set_attributes(mount: BorrowedFd<'_>, attributes: libc::mount_attr) -> Result<(), Errno> {
    // SAFETY: the path is an empty string and `attributes` a live structure of the size given; both are only read.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Attaches a detached mount at `path`, relative to the working directory.
pub(crate) fn attach_mount(mount: BorrowedFd<'_>, path: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are NUL-terminated strings that live through the call; the kernel only reads them.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })?;
    Ok(())
}

/// Attaches a detached mount on what `place` is open on.
pub(crate) fn attach_mount_on(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: both paths are empty strings; the kernel only reads them.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            place.as_raw_fd(),
            c"".as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH,
        )
    })?;
    Ok(())
}

/// Whether the kernel has these calls at all.
#[cfg(feature = "host")]
pub(crate) fn mount_api_available() -> bool {
    // An ordinary file is no mount: a kernel that knows the call says so.
    match std::fs::File::open("/dev/null") {
        Ok(file) => {
            restrict_mount(std::os::fd::AsFd::as_fd(&file), MountFlags::NO_DEVICES) != Err(Errno::ENOSYS)
        }
        Err(_) => false,
    }
}
