//! Paths in a new root that strangers had a hand in: an image, or a volume that another sandbox writes to.
//!
//! The working directory is that root, and the host's is still `/`. A link there may point anywhere, so every path is
//! resolved as if the root were entered already: openat2(2).

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};

use crate::plan::Owner;

/// The kernel gives up where somebody renames what it is walking through.
const ATTEMPTS: u32 = 16;

/// How far a path may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// No further than the root's own file system.
    Root,
    /// Into what is mounted in it as well.
    Mounts,
}

/// Opens what is there.
pub(crate) fn open(path: &Path, flags: OFlag, reach: Reach) -> Result<OwnedFd, Errno> {
    let mut resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    if reach == Reach::Root {
        resolve |= ResolveFlag::RESOLVE_NO_XDEV;
    }
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    let mut answer = Err(Errno::EAGAIN);
    for _ in 0..ATTEMPTS {
        answer = openat2(AT_FDCWD, path, how);
        if !matches!(answer, Err(Errno::EAGAIN)) {
            break;
        }
    }
    answer
}

/// Opens a directory, after making what is missing of it. An empty path is the root.
pub(crate) fn open_directory(path: &Path, reach: Reach) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let mut reached = PathBuf::from(".");
    let mut directory = open(&reached, flags, reach)?;
    for name in path {
        reached.push(name);
        directory = match open(&reached, flags, reach) {
            Err(Errno::ENOENT) => make_directory(&directory, name, Mode::from_bits_truncate(0o755))?,
            answer => answer?,
        };
    }
    Ok(directory)
}

/// Makes a directory of this owner and mode, unless there is one.
pub(crate) fn ensure_directory(path: &Path, mode: Mode, owner: Owner) -> Result<(), Errno> {
    match open(path, OFlag::O_PATH | OFlag::O_DIRECTORY, Reach::Root) {
        Err(Errno::ENOENT) => {}
        answer => return answer.map(drop),
    }
    let (parent, name) = parent_and_name(path)?;
    let made = make_directory(&parent, name, mode)?;
    fchown(made, Some(Uid::from_raw(owner.user)), Some(Gid::from_raw(owner.group)))
}

/// Opens a new file for writing in the place of whatever file or link is there.
pub(crate) fn replace_file(path: &Path, mode: Mode) -> Result<OwnedFd, Errno> {
    let (parent, name) = parent_and_name(path)?;
    match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    // With `O_EXCL` a link is not followed.
    openat(&parent, name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC, mode)
}

/// The directory that a path is in, made if it is missing, and the path's last part.
fn parent_and_name(path: &Path) -> Result<(OwnedFd, &OsStr), Errno> {
    let name = path.file_name().ok_or(Errno::EINVAL)?;
    Ok((open_directory(path.parent().unwrap_or(Path::new("")), Reach::Root)?, name))
}

fn make_directory(parent: &OwnedFd, name: &OsStr, mode: Mode) -> Result<OwnedFd, Errno> {
    mkdirat(parent, name, mode)?;
    // Whoever else writes to a volume may have put something in its place by now.
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = openat(parent, name, flags, Mode::empty())?;
    // Not by mkdirat, which heeds the umask.
    fchmod(&made, mode)?;
    Ok(made)
}
