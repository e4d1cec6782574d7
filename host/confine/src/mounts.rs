//! Mounts: the root of a sandbox, and what is shown in it: mount_namespaces(7), pivot_root(2).
//!
//! The steps work relative to the working directory, which [`make_root`] sets to the new root. Until [`enter_root`] the
//! host's root is still `/`, so sources are the host's paths. The calls are those of Linux 5.12: a tree is cloned, made
//! read-only and only then attached, so that it is never there with more rights than it should have.

use std::ffi::{CString, NulError};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, chdir, chown, mkdir, pivot_root, symlinkat, unlinkat, write};

use crate::enforcement::{Enforcement, Mechanism};
use crate::inside::{self, Reach};
use crate::plan::{Masks, Owner};
use crate::sys::{MountFlags, attach_mount, attach_mount_on, clone_mount, restrict_mount};

/// Where the new root is put together. Every host that we run on has this directory, and what it covers in the sandbox's
/// own mount namespace is not needed any more.
const STAGE: &str = "/proc";

/// An empty directory that stands in for masked ones, for as long as it takes.
const EMPTY: &str = ".empty";

const SHOWN: MountFlags = MountFlags::READ_ONLY.and(MountFlags::NO_SET_USER_ID).and(MountFlags::NO_DEVICES);
const VOLUME: MountFlags = MountFlags::NO_SET_USER_ID.and(MountFlags::NO_DEVICES);
const DEVICE: MountFlags = MountFlags::NO_SET_USER_ID.and(MountFlags::NO_EXECUTE);

/// A mount or a file of the new root was not made.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A path of the plan is not absolute and plain.
    #[error("failed to accept the path {0}")]
    Path(String),
    /// A path holds a NUL.
    #[error("failed to accept a path")]
    Nul(#[source] NulError),
    /// The host's mounts still propagate.
    #[error("failed to make the host's mounts private")]
    Private(#[source] Errno),
    /// No root file system.
    #[error("failed to mount the root")]
    Root(#[source] Errno),
    /// No overlay over the image: too old a kernel for one in a user namespace, or for one of an id-mapped mount, or a file
    /// system that cannot be overlaid.
    #[error("failed to mount an overlay over the image")]
    Overlay(#[source] Errno),
    /// The root could not be entered.
    #[error("failed to enter the new root")]
    Stage(#[source] Errno),
    /// A directory was not made.
    #[error("failed to make the directory {0}")]
    Directory(String, #[source] Errno),
    /// Its owner or mode was not set.
    #[error("failed to hand over the directory {0}")]
    Owner(String, #[source] Errno),
    /// A file was not made.
    #[error("failed to make the file {0}")]
    File(String, #[source] Errno),
    /// A link was not made.
    #[error("failed to make the link {0}")]
    Link(String, #[source] Errno),
    /// Something of the host could not be cloned.
    #[error("failed to clone the mount of {0}")]
    Clone(String, #[source] Errno),
    /// Another directory is there than the host has opened.
    #[error("failed to find the host's directory {0}: another has come in its place")]
    Moved(String),
    /// A clone could not be made read-only.
    #[error("failed to restrict the mount of {0}")]
    Restrict(String, #[source] Errno),
    /// A clone could not be attached.
    #[error("failed to attach the mount at {0}")]
    Attach(String, #[source] Errno),
    /// The plan names a mount that did not come with it.
    #[error("failed to find the mount {0} among those that came with the plan")]
    NoDescriptor(u16),
    /// No `/proc`.
    #[error("failed to mount /proc")]
    Processes(#[source] Errno),
    /// No `/dev/pts`.
    #[error("failed to mount /dev/pts")]
    Terminals(#[source] Errno),
    /// The root did not become the root.
    #[error("failed to change the root")]
    Pivot(#[source] Errno),
    /// The host's root is still there.
    #[error("failed to let go of the host's root")]
    Detach(#[source] Errno),
}

/// Mounts an empty root and makes it the working directory.
pub(crate) fn make_root(bytes: u64, inodes: u64) -> Result<Enforcement, MountError> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(MountError::Private)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let options = format!("size={bytes},nr_inodes={inodes},mode=0755");
    mount(Some("mimobox"), STAGE, Some("tmpfs"), flags, Some(options.as_str())).map_err(MountError::Root)?;
    chdir(STAGE).map_err(MountError::Stage)?;
    Ok(Enforcement::enforced(Mechanism::DiskLimit, format!("{bytes} bytes, {inodes} files")))
}

/// Makes a directory.
pub(crate) fn make_directory(path: &str, mode: u32, owner: Owner) -> Result<(), MountError> {
    let (place, mode) = (relative(path)?, Mode::from_bits_truncate(mode));
    mkdir(place, mode).map_err(|source| MountError::Directory(path.to_owned(), source))?;
    let hand_over = || {
        // Not by mkdir, which heeds the umask.
        fchmodat(AT_FDCWD, place, mode, FchmodatFlags::FollowSymlink)?;
        chown(place, Some(Uid::from_raw(owner.user)), Some(Gid::from_raw(owner.group)))
    };
    hand_over().map_err(|source| MountError::Owner(path.to_owned(), source))
}

/// Makes a file that everybody may read.
pub(crate) fn make_file(path: &str, contents: &[u8]) -> Result<(), MountError> {
    let failed = |source| MountError::File(path.to_owned(), source);
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IROTH;
    let file = open(relative(path)?, flags, mode).map_err(failed)?;
    let mut rest = contents;
    while !rest.is_empty() {
        let written = write(&file, rest).map_err(failed)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Makes a symbolic link.
pub(crate) fn make_link(path: &str, target: &str) -> Result<(), MountError> {
    symlinkat(target, AT_FDCWD, relative(path)?).map_err(|source| MountError::Link(path.to_owned(), source))
}

/// Shows a file or directory of the host read-only.
pub(crate) fn show(source: &str, path: &str) -> Result<(), MountError> {
    let clone = cloned(source, SHOWN)?;
    make_mount_point(clone.as_fd(), path)?;
    attach(clone.as_fd(), path)
}

/// Shows a device of the host.
pub(crate) fn show_device(source: &str, path: &str) -> Result<(), MountError> {
    let clone = cloned(source, DEVICE)?;
    make_mount_point(clone.as_fd(), path)?;
    attach(clone.as_fd(), path)
}

/// A detached mount of what is at `source`, which must be the directory that the host has opened.
pub(crate) fn clone_again(
    directory: BorrowedFd<'_>,
    source: &str,
    writable: bool,
) -> Result<OwnedFd, MountError> {
    let failed = |error| MountError::Clone(source.to_owned(), error);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let found = open(source, flags, Mode::empty()).map_err(failed)?;
    let (opened, now) = (fstat(directory).map_err(failed)?, fstat(&found).map_err(failed)?);
    if (opened.st_dev, opened.st_ino) != (now.st_dev, now.st_ino) {
        return Err(MountError::Moved(source.to_owned()));
    }
    let clone = clone_mount(found.as_fd(), c"").map_err(failed)?;
    restrict_mount(clone.as_fd(), if writable { VOLUME } else { SHOWN })
        .map_err(|error| MountError::Restrict(source.to_owned(), error))?;
    Ok(clone)
}

/// Attaches a mount that the host made with [`detach`], or this process with [`clone_again`], at a place that is
/// made if it is missing.
pub(crate) fn attach_volume(volume: BorrowedFd<'_>, path: &str) -> Result<(), MountError> {
    let place = inside::open_directory(relative(path)?, Reach::Mounts)
        .map_err(|source| MountError::Directory(path.to_owned(), source))?;
    attach_mount_on(volume, place.as_fd()).map_err(|source| MountError::Attach(path.to_owned(), source))
}

/// Mounts `/proc` of the own pid namespace and masks what it tells of the whole machine. `/dev/null` must be there.
pub(crate) fn mount_processes(masks: &Masks) -> Result<Enforcement, MountError> {
    mkdir("proc", Mode::from_bits_truncate(0o555)).map_err(MountError::Processes)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "proc", Some("proc"), flags, None::<&str>).map_err(MountError::Processes)?;
    for name in &masks.read_only {
        let place = format!("proc/{name}");
        let flags = SHOWN.and(MountFlags::NO_EXECUTE);
        if let Some(clone) = if_there(cloned(&place, flags))? {
            attach(clone.as_fd(), &format!("/{place}"))?;
        }
    }
    for name in &masks.files {
        if_there(bind("dev/null", &format!("proc/{name}")))?;
    }
    mkdir(EMPTY, Mode::from_bits_truncate(0o555)).map_err(MountError::Processes)?;
    for name in &masks.directories {
        if_there(bind(EMPTY, &format!("proc/{name}")))?;
    }
    // The mounts hold it, and nothing can be made in a directory that was removed.
    unlinkat(AT_FDCWD, EMPTY, UnlinkatFlags::RemoveDir).map_err(MountError::Processes)?;
    Ok(Enforcement::enforced(Mechanism::PidNamespace, "with a /proc of its own"))
}

/// Mounts `/dev/pts`: no terminal of the host's is in it.
pub(crate) fn mount_terminals(group: u32) -> Result<(), MountError> {
    mkdir("dev/pts", Mode::from_bits_truncate(0o755)).map_err(MountError::Terminals)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // All sandboxes of the machine have some 3,000 between them (`kernel.pty.max`): without `max` one could take them all.
    let options = format!("newinstance,ptmxmode=0666,mode=0620,gid={group},max=64");
    mount(Some("devpts"), "dev/pts", Some("devpts"), flags, Some(options.as_str()))
        .map_err(MountError::Terminals)
}

/// Makes the new root the root and lets go of all of the host's mounts.
pub(crate) fn enter_root() -> Result<Enforcement, MountError> {
    // The old root ends up on top of the new one, at the same place: no directory is needed to keep it (pivot_root(2)).
    pivot_root(".", ".").map_err(MountError::Pivot)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(MountError::Detach)?;
    chdir("/").map_err(MountError::Stage)?;
    Ok(Enforcement::enforced(Mechanism::MountNamespace, "no mount of the host's is left"))
}

/// What a sandbox may do with a volume.
#[cfg(feature = "host")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    ReadOnly,
    /// Read and write it.
    ReadWrite,
}

/// A detached mount of `directory` and all below it, for a sandbox to attach: by the host, since only it may clone its own
/// mounts. `shown` names it in errors.
///
/// # Errors
/// `Clone`, `Restrict`.
#[cfg(feature = "host")]
pub fn detach(directory: BorrowedFd<'_>, access: Access, shown: &str) -> Result<OwnedFd, MountError> {
    let flags = match access {
        Access::ReadOnly => SHOWN,
        Access::ReadWrite => VOLUME,
    };
    let clone = clone_mount(directory, c"").map_err(|source| MountError::Clone(shown.to_owned(), source))?;
    restrict_mount(clone.as_fd(), flags).map_err(|source| MountError::Restrict(shown.to_owned(), source))?;
    Ok(clone)
}

fn cloned(source: &str, flags: MountFlags) -> Result<OwnedFd, MountError> {
    let path = CString::new(source).map_err(MountError::Nul)?;
    let clone = clone_mount(AT_FDCWD, &path).map_err(|error| MountError::Clone(source.to_owned(), error))?;
    restrict_mount(clone.as_fd(), flags).map_err(|error| MountError::Restrict(source.to_owned(), error))?;
    Ok(clone)
}

fn attach(clone: BorrowedFd<'_>, path: &str) -> Result<(), MountError> {
    let place = CString::new(relative(path)?.as_os_str().as_encoded_bytes()).map_err(MountError::Nul)?;
    attach_mount(clone, &place).map_err(|source| MountError::Attach(path.to_owned(), source))
}

/// Shows something of the new root at another place in it, with the rights that it has there.
fn bind(source: &str, place: &str) -> Result<(), MountError> {
    let none: Option<&str> = None;
    mount(Some(source), place, none, MsFlags::MS_BIND, none)
        .map_err(|error| MountError::Attach(format!("/{place}"), error))
}

/// An empty directory or file, as the mount's root is one or the other.
fn make_mount_point(clone: BorrowedFd<'_>, path: &str) -> Result<(), MountError> {
    let place = relative(path)?;
    let status = fstat(clone).map_err(|source| MountError::Clone(path.to_owned(), source))?;
    if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
        match mkdir(place, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(source) => Err(MountError::Directory(path.to_owned(), source)),
        }
    } else {
        make_file(path, b"")
    }
}

/// Passes over what this kernel does not have.
fn if_there<T>(answer: Result<T, MountError>) -> Result<Option<T>, MountError> {
    match answer {
        Ok(there) => Ok(Some(there)),
        Err(MountError::Clone(_, Errno::ENOENT) | MountError::Attach(_, Errno::ENOENT)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A path of the sandbox, relative to its root: nothing of it may lead out.
pub(crate) fn relative(path: &str) -> Result<&Path, MountError> {
    let refused = || MountError::Path(path.to_owned());
    let inside = Path::new(path.strip_prefix('/').ok_or_else(refused)?);
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !inside.as_os_str().is_empty() { Ok(inside) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_the_root_is_refused() {
        for path in ["", "/", "usr", "/../etc", "/usr/../../etc", "//"] {
            assert!(relative(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_plain_path_is_taken_below_the_root() {
        assert_eq!(relative("/home/sandbox").unwrap(), Path::new("home/sandbox"));
    }
}
