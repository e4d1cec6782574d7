//! A snapshot's file before it has an id: one without a name, which its process takes along however it ends.
//!
//! Where the file system has no such files, one with a name of its own and a lock, which the next to open the store sweeps
//! once nobody holds the lock.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, linkat, openat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use crate::error::StoreError;
use crate::folder::{self, Lock};

const PARTIAL: &str = ".partial-";
const OWNER_ONLY: Mode = Mode::RUSR.union(Mode::WUSR);

/// A file that is gone when this is, unless it was named.
#[derive(Debug)]
pub(crate) struct StagedFile {
    file: Arc<File>,
    partial: Option<Partial>,
}

/// A name that leads to a staged file for want of files without. Removed when dropped.
#[derive(Debug)]
struct Partial {
    folder: Arc<Dir>,
    name: String,
}

impl StagedFile {
    /// Makes an empty one.
    pub(crate) fn make(folder: &Arc<Dir>) -> Result<Self, StoreError> {
        match openat(folder, ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, OWNER_ONLY) {
            Ok(file) => Ok(Self { file: Arc::new(file.into()), partial: None }),
            // open(2): what kernels and file systems without O_TMPFILE say.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => Self::make_partial(folder),
            Err(error) => Err(StoreError::Make(error.into())),
        }
    }

    fn make_partial(folder: &Arc<Dir>) -> Result<Self, StoreError> {
        // Or a sweep could come between the file and its lock.
        let _lock = Lock::take(folder)?;
        let name = format!("{PARTIAL}{}", folder::draw_name()?);
        let made = |error: Errno| StoreError::Make(error.into());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let file: File = openat(folder, &name, flags, OWNER_ONLY).map_err(made)?.into();
        let partial = Partial { folder: folder.clone(), name };
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(made)?;
        Ok(Self { file: Arc::new(file), partial: Some(partial) })
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Gives it a name that nothing has yet.
    pub(crate) fn publish(mut self, folder: &Dir, name: &str) -> Result<Arc<File>, StoreError> {
        match self.partial.take() {
            None => {
                // linkat(2): without CAP_DAC_READ_SEARCH, the way to a file without a name leads through /proc.
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                linkat(CWD, own, folder, name, AtFlags::SYMLINK_FOLLOW)
            }
            Some(partial) => renameat_with(folder, &partial.name, folder, name, RenameFlags::NOREPLACE),
        }
        .map_err(|error| StoreError::Name(error.into()))?;
        Ok(self.file)
    }

    /// Takes its name away, if it has any: what is left is gone with its last descriptor.
    pub(crate) fn unname(self) -> Arc<File> {
        self.file
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let removed = unlinkat(&self.folder, &self.name, AtFlags::empty());
        if let Err(error) = removed
            && error != Errno::NOENT
        {
            tracing::warn!(%error, "failed to remove a snapshot that was not finished");
        }
    }
}

/// Removes what hosts left behind that ended in the middle.
pub(crate) fn sweep(folder: &Dir) -> Result<(), StoreError> {
    let _lock = Lock::take(folder)?;
    for name in folder::names(folder)?.iter().filter(|name| name.starts_with(PARTIAL)) {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = openat(folder, name, flags, Mode::empty()) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            unlinkat(folder, name, AtFlags::empty())
                .map_err(|error| StoreError::Delete(io::Error::from(error)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
