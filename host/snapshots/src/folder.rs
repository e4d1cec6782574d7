//! Names in the store's folder, and the lock that hosts take turns by.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cap_std::fs::Dir;
use mimobox_sandbox::SnapshotId;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, fsync, openat, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{FormatError, StoreError};

const SUFFIX: &str = ".snapshot";
/// Of random bits in an id: nobody guesses one, and no two are the same.
const ID_BYTES: usize = 16;

/// An id that nobody can guess.
pub(crate) fn draw_id() -> Result<SnapshotId, StoreError> {
    Ok(SnapshotId::new(&draw_name()?)?)
}

/// As many hexadecimal digits as no two processes draw twice.
pub(crate) fn draw_name() -> Result<String, StoreError> {
    let mut bytes = [0; ID_BYTES];
    let drawn =
        getrandom(&mut bytes, GetRandomFlags::empty()).map_err(|error| StoreError::Draw(error.into()))?;
    if drawn != bytes.len() {
        return Err(StoreError::Draw(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The name of a snapshot's file. None for an id that no store of this kind gave.
pub(crate) fn file_name(id: &SnapshotId) -> Option<String> {
    is_drawn(id.as_str()).then(|| format!("{id}{SUFFIX}"))
}

fn is_drawn(name: &str) -> bool {
    name.len() == 2 * ID_BYTES && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The ids of all files that bear one; whatever else lies in the folder is not the store's.
pub(crate) fn ids(folder: &Dir) -> Result<Vec<SnapshotId>, StoreError> {
    let names = names(folder)?;
    let drawn = names.iter().filter_map(|name| name.strip_suffix(SUFFIX)).filter(|name| is_drawn(name));
    Ok(drawn.map(SnapshotId::new).collect::<Result<_, _>>()?)
}

/// Every name in the folder that is UTF-8.
pub(crate) fn names(folder: &Dir) -> Result<Vec<String>, StoreError> {
    let entries = folder.entries().map_err(StoreError::List)?;
    let names = entries.map(|entry| Ok(entry.map_err(StoreError::List)?.file_name().into_string().ok()));
    names.filter_map(Result::transpose).collect()
}

/// Opens a snapshot's file, and nothing that was put in its place.
pub(crate) fn open(folder: &Dir, id: &SnapshotId) -> Result<File, StoreError> {
    let name = file_name(id).ok_or(StoreError::NotFound)?;
    // Not to wait, should somebody have put a pipe there.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Err(StoreError::NotFound),
        Err(Errno::LOOP) => return Err(FormatError::NotASnapshot.into()),
        Err(error) => return Err(StoreError::Open(error.into())),
    };
    let status = fstat(&file).map_err(|error| StoreError::Open(error.into()))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(FormatError::NotASnapshot.into());
    }
    Ok(file.into())
}

/// How many snapshots there are, and their bytes.
pub(crate) fn usage(folder: &Dir) -> Result<(u64, u64), StoreError> {
    let mut total = (0, 0_u64);
    for id in ids(folder)? {
        // One that another host deletes meanwhile uses nothing.
        let metadata = file_name(&id).map(|name| folder.symlink_metadata(name));
        if let Some(Ok(metadata)) = metadata {
            total = (total.0 + 1, total.1.saturating_add(metadata.len()));
        }
    }
    Ok(total)
}

/// Deletes a snapshot's file, for good. That there is none is no error.
pub(crate) fn delete(folder: &Dir, id: &SnapshotId) -> Result<(), StoreError> {
    let Some(name) = file_name(id) else { return Ok(()) };
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => sync(folder),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(StoreError::Delete(error.into())),
    }
}

/// Makes what names the folder holds outlive a crash.
pub(crate) fn sync(folder: &Dir) -> Result<(), StoreError> {
    let folder = reopen(folder).map_err(StoreError::Sync)?;
    fsync(folder).map_err(|error| StoreError::Sync(error.into()))
}

/// Held for moments only, while one host counts and names. It goes with its process, however that ends.
pub(crate) struct Lock(#[allow(dead_code, reason = "holds the lock")] OwnedFd);

impl Lock {
    /// Waits for whoever has it.
    pub(crate) fn take(folder: &Dir) -> Result<Self, StoreError> {
        // A description of its own: one that is shared would share the lock.
        let own = reopen(folder).map_err(StoreError::Lock)?;
        flock(&own, FlockOperation::LockExclusive).map_err(|error| StoreError::Lock(error.into()))?;
        Ok(Self(own))
    }
}

/// cap-std opens folders with `O_PATH`, which can neither be locked nor synced.
fn reopen(folder: &Dir) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(folder.as_fd(), ".", flags, Mode::empty())?)
}
