//! From a tar to trees.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fchmod, futimens, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat};
use tar::{Archive, Entry, EntryType, Header};

use super::tree::{Tree, Trees, errno};
use super::{OPAQUE, PERMISSIONS, REMOVED};

/// Users and groups of a sandbox.
const USERS: u64 = 65_536;

/// Not all of it was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// A tree is not there.
    #[error("failed to open a tree")]
    Tree(#[source] Errno),
    /// The archive is no tar.
    #[error("failed to read the archive")]
    Read(#[source] io::Error),
    /// The archive ends before its end mark.
    #[error("failed to read the archive: it is cut short")]
    CutShort,
    /// A name leads out of every tree.
    #[error("failed to accept the name {0:?}")]
    Name(PathBuf),
    /// A member is of a kind that no archive of ours has.
    #[error("failed to accept the kind of {0:?}")]
    Kind(PathBuf),
    /// A number in a member's header is none, or too large.
    #[error("failed to accept the header of {0:?}")]
    Header(PathBuf),
    /// A member could not be made.
    #[error("failed to make {0:?}")]
    Make(PathBuf, #[source] Errno),
    /// A member's bytes could not be written.
    #[error("failed to write {0:?}")]
    Write(PathBuf, #[source] io::Error),
}

/// Makes in the trees what `from` says, to its end mark.
pub(crate) fn restore(trees: &Trees, from: impl Read) -> Result<(), RestoreError> {
    let mut archive = Archive::new(Whole { from, has_ended: false });
    // A directory's time changes with its members: it is set last.
    let mut times = Vec::new();
    for entry in archive.entries().map_err(RestoreError::Read)? {
        let mut entry = entry.map_err(RestoreError::Read)?;
        let name = entry.path().map_err(RestoreError::Read)?.into_owned();
        let (tree, inside) = trees.find(&name).ok_or_else(|| RestoreError::Name(name.clone()))?;
        let member = Member::new(&name, entry.header())?;
        if let Some(time) = make(trees, tree, inside, &name, member, &mut entry)? {
            times.push((name, time));
        }
    }
    if archive.into_inner().has_ended {
        return Err(RestoreError::CutShort);
    }
    for (name, time) in times.iter().rev() {
        let Some((tree, inside)) = trees.find(name) else { continue };
        // A mark may have taken it away again.
        if let Ok(directory) = tree.open(inside, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            futimens(&directory, time, time).map_err(|errno| RestoreError::Make(name.clone(), errno))?;
        }
    }
    Ok(())
}

/// What a header says, in range.
struct Member {
    kind: EntryType,
    mode: Mode,
    user: Uid,
    group: Gid,
    time: TimeSpec,
    /// The minor number of a device of major number 0.
    mark: Option<u32>,
}

impl Member {
    fn new(name: &Path, header: &Header) -> Result<Self, RestoreError> {
        let wrong = || RestoreError::Header(name.to_owned());
        let id = |id: io::Result<u64>| {
            id.ok().filter(|id| *id < USERS).and_then(|id| u32::try_from(id).ok()).ok_or_else(wrong)
        };
        let kind = header.entry_type();
        let mark = match kind {
            EntryType::Char => {
                let device = |number: io::Result<Option<u32>>| number.ok().flatten().ok_or_else(wrong);
                (device(header.device_major())? == 0).then_some(device(header.device_minor())?)
            }
            _ => None,
        };
        let seconds = header.mtime().ok().and_then(|time| i64::try_from(time).ok()).ok_or_else(wrong)?;
        Ok(Self {
            kind,
            mark,
            mode: Mode::from_bits_truncate(header.mode().map_err(|_| wrong())? & PERMISSIONS),
            user: Uid::from_raw(id(header.uid())?),
            group: Gid::from_raw(id(header.gid())?),
            time: TimeSpec::new(seconds, 0),
        })
    }
}

/// Makes one member. The time of a directory is given back.
fn make(
    trees: &Trees,
    tree: &Tree,
    inside: &Path,
    name: &Path,
    member: Member,
    entry: &mut Entry<'_, impl Read>,
) -> Result<Option<TimeSpec>, RestoreError> {
    let failed = |errno| RestoreError::Make(name.to_owned(), errno);
    let Some((parent, last)) = tree.parent(inside).map_err(failed)? else {
        // The tree's own root is there, and only a directory can be meant.
        if member.kind != EntryType::Directory {
            return Err(RestoreError::Kind(name.to_owned()));
        }
        let root = tree.open(inside, OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(failed)?;
        hand_over(&root, &member).map_err(failed)?;
        return Ok(Some(member.time));
    };
    if member.kind == EntryType::Directory {
        let directory = match make_directory(tree, inside, &parent, last) {
            // Something else is mounted there: what was below it was not saved.
            Err(Errno::EXDEV) => return Ok(None),
            made => made.map_err(failed)?,
        };
        hand_over(&directory, &member).map_err(failed)?;
        return Ok(Some(member.time));
    }
    if let Some(mark) = member.mark {
        match mark {
            REMOVED => remove(&parent, last).map_err(failed)?,
            OPAQUE => {
                let directory = tree.open(inside, OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(failed)?;
                remove_members(&directory).map_err(failed)?;
            }
            _ => return Err(RestoreError::Kind(name.to_owned())),
        }
        return Ok(None);
    }
    remove(&parent, last).map_err(failed)?;
    match member.kind {
        EntryType::Regular => {
            let flags =
                OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mut file =
                File::from(openat(&parent, last, flags, Mode::S_IRUSR | Mode::S_IWUSR).map_err(failed)?);
            let length = entry.size();
            let copied = io::copy(entry, &mut file);
            let copied = copied.map_err(|error| RestoreError::Write(name.to_owned(), error))?;
            if copied != length {
                return Err(RestoreError::CutShort);
            }
            let file = OwnedFd::from(file);
            hand_over(&file, &member).map_err(failed)?;
            futimens(&file, &member.time, &member.time).map_err(failed)?;
        }
        EntryType::Symlink => {
            let target = link_name(entry, name)?;
            symlinkat(&target, &parent, last).map_err(failed)?;
            fchownat(&parent, last, Some(member.user), Some(member.group), AtFlags::AT_SYMLINK_NOFOLLOW)
                .map_err(failed)?;
            let nofollow = UtimensatFlags::NoFollowSymlink;
            utimensat(&parent, last, &member.time, &member.time, nofollow).map_err(failed)?;
        }
        EntryType::Link => {
            let target = link_name(entry, name)?;
            let (from, inside) = trees.find(&target).ok_or_else(|| RestoreError::Name(target.clone()))?;
            let (directory, first) =
                from.parent(inside).map_err(failed)?.ok_or_else(|| RestoreError::Name(target.clone()))?;
            // Of a link, the link itself: it is not followed.
            linkat(&directory, first, &parent, last, AtFlags::empty()).map_err(failed)?;
        }
        EntryType::Fifo => {
            mknodat(&parent, last, SFlag::S_IFIFO, Mode::S_IRUSR | Mode::S_IWUSR, 0).map_err(failed)?;
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let fifo = openat(&parent, last, flags, Mode::empty()).map_err(failed)?;
            hand_over(&fifo, &member).map_err(failed)?;
        }
        _ => return Err(RestoreError::Kind(name.to_owned())),
    }
    Ok(None)
}

/// Makes a directory, unless there is one; what else is there goes.
fn make_directory(tree: &Tree, inside: &Path, parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match tree.open(inside, flags) {
        Err(Errno::ENOENT) => {}
        Err(Errno::ENOTDIR | Errno::ELOOP) => remove(parent, name)?,
        answer => return answer,
    }
    mkdirat(parent, name, Mode::S_IRWXU)?;
    openat(parent, name, flags, Mode::empty())
}

/// Gives a file or directory its owner and permissions. In this order: a change of owner may clear some.
fn hand_over(file: &OwnedFd, member: &Member) -> Result<(), Errno> {
    fchown(file, Some(member.user), Some(member.group))?;
    fchmod(file, member.mode)
}

fn link_name(entry: &Entry<'_, impl Read>, name: &Path) -> Result<PathBuf, RestoreError> {
    let target = entry.link_name().map_err(RestoreError::Read)?;
    target.map(|target| target.into_owned()).ok_or_else(|| RestoreError::Header(name.to_owned()))
}

/// Removes whatever goes by a name; nothing is no error.
fn remove(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR) => {}
        Err(Errno::ENOENT) => return Ok(()),
        answer => return answer,
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    remove_members(&openat(parent, name, flags, Mode::empty())?)?;
    unlinkat(parent, name, UnlinkatFlags::RemoveDir)
}

/// Removes all that is in a directory. It recurses as deep as the tree is: that is the image's, or made by this archive, whose
/// names are no longer than a path may be.
fn remove_members(directory: &OwnedFd) -> Result<(), Errno> {
    let readable =
        openat(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::from_fd(readable.try_clone().map_err(errno)?)?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.iter().try_for_each(|name| remove(&readable, name))
}

/// Knows whether its reader came to the end of the bytes: a whole tar has an end mark, and is not read any further.
struct Whole<R> {
    from: R,
    has_ended: bool,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        if count == 0 && !into.is_empty() {
            self.has_ended = true;
        }
        Ok(count)
    }
}
