//! A file that is not there until it is whole.
//!
//! Where the file system can, it has no name until then, so that nothing is left of it even if this process is killed;
//! elsewhere it has an unguessable one, and `SIGKILL` leaves it behind. So a host that gives up sends `SIGTERM` first.

#![allow(unsafe_code, reason = "getrandom(2), which no wrapper offers")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, UnlinkatFlags, access, linkat, unlinkat};

pub(super) struct Temporary {
    directory: OwnedFd,
    file: File,
    /// None while it has none.
    name: Option<PathBuf>,
}

impl Temporary {
    /// A new, empty file in `directory`.
    pub(super) fn new(directory: &Path) -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(directory, flags, Mode::empty())?;
        if let Some(file) = unnamed(directory.as_fd())? {
            return Ok(Self { directory, file: file.into(), name: None });
        }
        let name = random_name()?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = openat(&directory, &name, flags, owner_only())?;
        Ok(Self { directory, file: file.into(), name: Some(name) })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Puts it in the place of `name`, or where nothing is yet.
    pub(super) fn publish(mut self, name: &Path) -> Result<(), Errno> {
        let named = match self.name.take() {
            Some(named) => named,
            None => {
                // A link may not replace, but renaming may.
                let named = random_name()?;
                let place = place_of(&self.file);
                linkat(AT_FDCWD, &place, &self.directory, &named, AtFlags::AT_SYMLINK_FOLLOW)?;
                named
            }
        };
        let renamed = renameat(&self.directory, &named, &self.directory, name);
        if renamed.is_err() {
            self.name = Some(named);
        }
        renamed
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Nothing more can be done than to try.
            let _ = unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// A file without a name, if there can be one that is given a name later.
fn unnamed(directory: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlag::O_WRONLY | OFlag::O_TMPFILE | OFlag::O_CLOEXEC;
    match openat(directory, ".", flags, owner_only()) {
        // By way of /proc, as without it that takes a capability.
        Ok(file) => Ok(access(&place_of(&file), AccessFlags::F_OK).is_ok().then_some(file)),
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn place_of(file: impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()).into()
}

/// Until it is whole nobody else reads it.
fn owner_only() -> Mode {
    Mode::S_IRUSR | Mode::S_IWUSR
}

fn random_name() -> Result<PathBuf, Errno> {
    let mut bytes = [0_u8; 16];
    // SAFETY: fills in at most as many bytes as there are.
    let count = Errno::result(unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) })?;
    if usize::try_from(count) != Ok(bytes.len()) {
        return Err(Errno::EIO);
    }
    Ok(format!(".mimobox-{:032x}", u128::from_ne_bytes(bytes)).into())
}
