//! Where an image is until it is whole, and where it goes before it is removed: folders of the store with a leading dot.
//!
//! ```text
//!   begin ─► .new-… (locked by whoever fills it) ─ publish ─► NAME ─ retire ─► .old-… ─► gone
//!                └─ dropped, or its maker died ─► swept by the next import
//! ```
//!
//! A lock (flock(2)) goes with its process, however that ends, and so tells what is under way from what was left. The
//! lock of the store itself is held for moments only, so that nobody sweeps what is about to be locked.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, Mode, flock, mkdirat};
use rustix::io::Errno;

use crate::folder;

const UNFINISHED: &str = ".new-";
const RETIRED: &str = ".old-";
/// How often a name that is taken is tried again with the next number.
const ATTEMPTS: u32 = 1000;

/// Why there is no place to fill.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The store's lock.
    #[error("failed to lock the image store")]
    Lock(#[source] io::Error),
    /// What earlier imports left.
    #[error("failed to remove what an earlier import left behind")]
    Sweep(#[source] io::Error),
    /// The new folder.
    #[error("failed to make a folder in the image store")]
    Make(#[source] io::Error),
}

/// The store's lock, let go of when this is dropped.
#[derive(Debug)]
pub(crate) struct StoreLock(#[allow(dead_code, reason = "holds the lock")] OwnedFd);

impl StoreLock {
    /// Waits for whoever has it.
    pub(crate) fn take(store: BorrowedFd<'_>) -> io::Result<Self> {
        // A description of its own: one that is shared would share the lock.
        let own = folder::open(store, ".")?;
        flock(&own, FlockOperation::LockExclusive)?;
        Ok(Self(own))
    }
}

/// A folder of the store that no name leads to yet. Removed when it is dropped, unless it was published.
pub(crate) struct Staging<'a> {
    store: BorrowedFd<'a>,
    name: String,
    folder: OwnedFd,
    published: bool,
}

impl<'a> Staging<'a> {
    /// Sweeps the store and makes a new folder in it.
    pub(crate) fn begin(store: BorrowedFd<'a>) -> Result<Self, StagingError> {
        let _lock = StoreLock::take(store).map_err(StagingError::Lock)?;
        sweep(store).map_err(StagingError::Sweep)?;
        let name = fresh(UNFINISHED, |name| mkdirat(store, name, Mode::RWXU)).map_err(StagingError::Make)?;
        let made = folder::open(store, &name).and_then(|folder| {
            flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
            Ok(folder)
        });
        let folder = made.map_err(|error| StagingError::Make(error.into()))?;
        Ok(Self { store, name, folder, published: false })
    }

    /// The folder, in which to put what shall be published.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Its name in the store.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Tells it that it was given another name, by which it stays.
    pub(crate) fn publish(mut self) {
        self.published = true;
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is swept by the next import.
            let _ = folder::remove(self.store, &self.name);
        }
    }
}

impl fmt::Debug for Staging<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Staging").field(&self.name).finish()
    }
}

/// Calls `take` with names that begin so until one of them is free.
pub(crate) fn retired(mut take: impl FnMut(&str) -> Result<(), Errno>) -> io::Result<String> {
    fresh(RETIRED, &mut take)
}

fn fresh(prefix: &str, mut take: impl FnMut(&str) -> Result<(), Errno>) -> io::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    for attempt in 0..ATTEMPTS {
        let name = format!("{prefix}{:x}-{now:x}-{attempt}", process::id());
        match take(&name) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST | Errno::NOTEMPTY) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EXIST.into())
}

/// Removes what nobody fills or removes any more. The store is locked.
fn sweep(store: BorrowedFd<'_>) -> io::Result<()> {
    for listed in folder::list(store)? {
        let name = listed?.name;
        let ours = [UNFINISHED, RETIRED].iter().any(|prefix| name.to_bytes().starts_with(prefix.as_bytes()));
        if !ours {
            continue;
        }
        let Ok(left) = folder::open(store, &name) else { continue };
        match flock(&left, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => folder::remove(store, &*name)?,
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::CWD;

    use super::*;

    fn names(store: &tempfile::TempDir) -> Vec<String> {
        fs::read_dir(store.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_is_not_published_is_gone_with_its_maker() {
        let store = tempfile::tempdir().unwrap();
        let fd = folder::open(CWD, store.path()).unwrap();
        let staging = Staging::begin(fd.as_fd()).unwrap();
        mkdirat(staging.folder(), "root", Mode::RWXU).unwrap();
        assert_eq!(names(&store), [staging.name()]);
        drop(staging);
        assert!(names(&store).is_empty());
    }

    #[test]
    fn what_a_dead_import_left_is_swept_and_what_a_live_one_fills_is_not() {
        let store = tempfile::tempdir().unwrap();
        for left in [".new-1-2-3/root/a", ".old-4-5-6/root"] {
            fs::create_dir_all(store.path().join(left)).unwrap();
        }
        let fd = folder::open(CWD, store.path()).unwrap();
        let first = Staging::begin(fd.as_fd()).unwrap();
        let second = Staging::begin(fd.as_fd()).unwrap();
        let mut expected = [first.name(), second.name()];
        let mut found = names(&store);
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}
