//! What a sandbox's file system holds beyond its image, as one stream: a tar, with marks for what was removed from the image.
//!
//! ```text
//!   save      the trees that the sandbox writes to  ──►  tar          while the sandbox runs: of a file either state
//!   restore   tar  ──►  the same trees of a fresh sandbox             before it takes its first request
//! ```
//!
//! An image's sandbox writes to the upper directory of an overlay, where a removed file is a device of number 0 and a
//! directory that was made anew has an attribute (the kernel's `filesystems/overlayfs.rst`). In the tar both are devices: no
//! sandbox has any, so that no file of its own is taken for one, as it could be for the `.wh.` names of an OCI layer.
//! Restoring goes through the overlay, so that the kernel keeps its own books.
//!
//! The bytes of a restored tar are hostile, and so is a tree that is saved: commands change it meanwhile. Each name is
//! looked up from a tree's root without following a link and without leaving the file system.

mod restore;
mod save;
mod tree;

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::os::fd::OwnedFd;

use mimobox_protocol::FileFailure;
use nix::errno::Errno;

use restore::{RestoreError, restore};
use save::{SaveError, save};
use tree::Trees;

/// How much goes through a pipe at once.
const CHUNK: usize = 256 * 1024;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the sandbox's files to the pipe.
    Save,
    /// From the pipe to the sandbox's files.
    Restore,
}

/// Minor number of the device (major number 0) that stands for what was removed.
const REMOVED: u32 = 0;
/// And of the one that stands for a directory, there already, that hides the image's.
const OPAQUE: u32 = 1;
/// Permission bits that are kept. Set-user-ID and set-group-ID programs gain nothing in a sandbox.
const PERMISSIONS: u32 = 0o1777;

/// Does all of it, in a process of its own. `upper` is what the sandbox writes over its image, where that is an overlay.
pub(crate) fn perform(
    direction: Direction,
    upper: Option<&OwnedFd>,
    pipe: Option<OwnedFd>,
) -> Result<(), FileFailure> {
    let pipe = pipe.map(File::from).ok_or(FileFailure::Failed)?;
    match direction {
        Direction::Save => {
            let trees = Trees::to_save(upper).map_err(|errno| not_saved(&SaveError::Tree(errno)))?;
            save(&trees, BufWriter::with_capacity(CHUNK, pipe)).or_else(|error| match error {
                // The host has what it wants.
                SaveError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                error => Err(not_saved(&error)),
            })
        }
        Direction::Restore => {
            let trees = Trees::to_restore(upper.is_some())
                .map_err(|errno| not_restored(&RestoreError::Tree(errno)))?;
            restore(&trees, BufReader::with_capacity(CHUNK, pipe)).map_err(|error| not_restored(&error))
        }
    }
}

fn not_saved(error: &SaveError) -> FileFailure {
    match error {
        SaveError::Tree(_) => FileFailure::NotFound,
        SaveError::Directory(Errno::EACCES) => FileFailure::PermissionDenied,
        SaveError::Directory(Errno::ENAMETOOLONG) => FileFailure::InvalidPath,
        SaveError::Directory(_) | SaveError::File(_) | SaveError::Write(_) => FileFailure::Failed,
    }
}

fn not_restored(error: &RestoreError) -> FileFailure {
    match error {
        RestoreError::Make(_, Errno::ENOSPC | Errno::EDQUOT) => FileFailure::DiskFull,
        RestoreError::Write(_, error) if error.kind() == io::ErrorKind::StorageFull => FileFailure::DiskFull,
        RestoreError::Make(_, Errno::EACCES | Errno::EPERM) => FileFailure::PermissionDenied,
        RestoreError::CutShort => FileFailure::WrongLength,
        RestoreError::Name(_) | RestoreError::Kind(_) | RestoreError::Header(_) => FileFailure::InvalidPath,
        RestoreError::Tree(_) | RestoreError::Read(_) | RestoreError::Make(..) | RestoreError::Write(..) => {
            FileFailure::Failed
        }
    }
}

#[cfg(test)]
mod tests;
