//! An image as a disk for microVMs: its root as one EROFS file, made when it is first asked for and kept beside it.
//!
//! ```text
//! root/ ─► making.erofs (locked by whoever writes it) ─ rename ─► disk-1.erofs
//! ```
//!
//! It goes with its image: whoever removes or replaces that removes the whole folder. The number is that of the way in which
//! disks are written, so that another version of this store makes its own.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, OwnedFd};

use mimobox_erofs::{Attributes, Builder, Found, Progress, TreeError, WriteError};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, fsync, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use crate::store::Image;

const DISK: &str = "disk-1.erofs";
const MAKING: &str = "making.erofs";
/// Between the reads of small files and the disk.
const BUFFER: usize = 256 * 1024;

/// Why an image has no disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The one that is there.
    #[error("failed to open the image's disk")]
    Open(#[source] io::Error),
    /// The file that is to be one.
    #[error("failed to make a file for the image's disk")]
    Make(#[source] io::Error),
    /// The root.
    #[error("failed to read the image's root")]
    Read(#[source] TreeError),
    /// The disk's contents.
    #[error("failed to write the image's disk")]
    Write(#[source] WriteError),
    /// The disk is not on the store's disk.
    #[error("failed to sync the image's disk")]
    Sync(#[source] io::Error),
    /// Its name.
    #[error("failed to put the image's disk into place")]
    Publish(#[source] io::Error),
}

impl Image {
    /// Opens the image as an EROFS disk, for reading. The first time it is made, which blocks for as long as it takes to copy
    /// all files once; `progress` is told how far it is. Others that want it meanwhile wait for it.
    ///
    /// What an ordinary user imported is all her own; on the disk it is root's, as in most images.
    ///
    /// # Errors
    /// Each variant of [`DiskError`]. A later call begins anew.
    pub fn open_disk(&self, progress: &mut dyn FnMut(Progress)) -> Result<File, DiskError> {
        if let Some(disk) = self.kept_disk()? {
            return Ok(disk);
        }
        let make = |error: Errno| DiskError::Make(error.into());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let making = openat(self.folder(), MAKING, flags, Mode::RUSR | Mode::WUSR).map_err(make)?;
        flock(&making, FlockOperation::LockExclusive).map_err(make)?;
        if let Some(disk) = self.kept_disk()? {
            // Whoever had the lock made it, and a file that came after theirs is of no use.
            let _ = unlinkat(self.folder(), MAKING, AtFlags::empty());
            return Ok(disk);
        }
        self.write_disk(&making, progress)?;
        renameat(self.folder(), MAKING, self.folder(), DISK)
            .map_err(|error| DiskError::Publish(error.into()))?;
        self.kept_disk()?.ok_or_else(|| DiskError::Open(Errno::NOENT.into()))
    }

    fn kept_disk(&self) -> Result<Option<File>, DiskError> {
        match openat(self.folder(), DISK, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(DiskError::Open(error.into())),
            Ok(disk) => Ok(Some(disk.into())),
        }
    }

    fn write_disk(&self, making: &OwnedFd, progress: &mut dyn FnMut(Progress)) -> Result<(), DiskError> {
        let mut builder = Builder::new();
        let owners = Owners::of_this_process();
        // As many as were imported: nobody adds to an image that is in the store.
        let most = self.metadata().entries;
        builder
            .add_tree(self.root(), most, &mut |found| Some(owners.describe(&found)))
            .map_err(DiskError::Read)?;
        // Half of it may be there, of somebody who died.
        let file = making.try_clone().map(File::from).map_err(DiskError::Make)?;
        file.set_len(0).map_err(DiskError::Make)?;
        let mut file = BufWriter::with_capacity(BUFFER, file);
        builder.write(&mut file, progress).map_err(DiskError::Write)?;
        file.flush().map_err(|error| DiskError::Write(WriteError::Write(error)))?;
        fsync(making.as_fd()).map_err(|error| DiskError::Sync(error.into()))
    }
}

/// Whose files are on the disk.
enum Owners {
    /// As in the store: root imported them, with their owners.
    Kept,
    /// Root's in place of this user's, who could give none away.
    Own { uid: u32, gid: u32 },
}

impl Owners {
    fn of_this_process() -> Self {
        match geteuid() {
            root if root.is_root() => Self::Kept,
            user => Self::Own { uid: user.as_raw(), gid: getegid().as_raw() },
        }
    }

    fn describe(&self, found: &Found<'_>) -> Attributes {
        let attributes = found.attributes;
        match *self {
            Self::Kept => attributes,
            Self::Own { uid, gid } => Attributes {
                uid: if attributes.uid == uid { 0 } else { attributes.uid },
                gid: if attributes.gid == gid { 0 } else { attributes.gid },
                ..attributes
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use mimobox_erofs::Found;
    use rustix::fs::FileType;

    use super::*;

    #[test]
    fn what_an_ordinary_user_imported_is_root_s() {
        let attributes = Attributes { mode: 0o600, uid: 1234, gid: 5678, modified: 9 };
        let found = Found { path: b"file", kind: FileType::RegularFile, attributes };
        let own = Owners::Own { uid: 1234, gid: 5678 }.describe(&found);
        assert_eq!(own, Attributes { uid: 0, gid: 0, ..attributes });
        assert_eq!(Owners::Kept.describe(&found), attributes);
    }
}
