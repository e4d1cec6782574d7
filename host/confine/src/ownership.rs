//! Whose the files of a mount are inside a sandbox: id-mapped mounts, mount_setattr(2).
//!
//! On the disk an image's root is the host's, and a volume is its operator's. A sandbox's users are others. So a mount is
//! shown to it with the owners exchanged; what it makes there belongs, on the disk, to whom the mapping says. Takes root, and
//! a file system that can: ext4, XFS and Btrfs since Linux 5.12 to 5.15, tmpfs and overlayfs later, network file systems seldom.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use crate::sys;

/// Files of a mount were not handed over.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    /// No user namespace to say who is who.
    #[error("failed to make a user namespace")]
    Namespace(#[source] Errno),
    /// Its users were not mapped.
    #[error("failed to map the users of a mount")]
    Map(#[source] io::Error),
    /// It could not be opened.
    #[error("failed to open a user namespace")]
    Open(#[source] io::Error),
    /// The file system can't, or a file system mounted below it.
    #[error("failed to id-map the mount")]
    Unsupported(#[source] Errno),
}

/// Which users of a disk are which users of the host, as a user namespace: the form in which the kernel takes it.
#[derive(Debug)]
pub struct MountUsers(OwnedFd);

impl MountUsers {
    /// User 0 of the disk is whoever is user 0 of the sandbox whose agent is process `pid`, and so on.
    ///
    /// # Errors
    /// `Open`.
    pub fn of_sandbox(pid: i32) -> Result<Self, OwnershipError> {
        let file = File::open(format!("/proc/{pid}/ns/user")).map_err(OwnershipError::Open)?;
        Ok(Self(file.into()))
    }

    /// User `owner.0` and group `owner.1` of the disk are the host's user `shown.0` and group `shown.1`. Files of anybody
    /// else are nobody's, and can't be written.
    ///
    /// # Errors
    /// `Namespace`, `Map`, `Open`.
    pub fn exchanging(owner: (u32, u32), shown: (u32, u32)) -> Result<Self, OwnershipError> {
        let holder = sys::hold_user_namespace().map_err(OwnershipError::Namespace)?;
        let map =
            |file, from, to| fs::write(format!("/proc/{}/{file}", holder.pid()), format!("{from} {to} 1"));
        map("gid_map", owner.1, shown.1).map_err(OwnershipError::Map)?;
        map("uid_map", owner.0, shown.0).map_err(OwnershipError::Map)?;
        Self::of_sandbox(holder.pid())
    }
}

/// Shows the files of a detached mount, and of all mounts below it, as `users` says.
///
/// # Errors
/// `Unsupported`: the mount is as it was.
pub fn hand_over(mount: BorrowedFd<'_>, users: &MountUsers) -> Result<(), OwnershipError> {
    sys::map_mount(mount, users.0.as_fd()).map_err(OwnershipError::Unsupported)
}
