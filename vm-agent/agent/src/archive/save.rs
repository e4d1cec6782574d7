//! From trees to a tar.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstatat};
use rustix::fs::fgetxattr;
use tar::{Builder, EntryType, Header};

use super::tree::{Tree, Trees, errno};
use super::{OPAQUE, PERMISSIONS, REMOVED};

/// The attribute of a directory that hides the image's, on an overlay in a user namespace.
const OPAQUE_ATTRIBUTE: &CStr = c"user.overlay.opaque";
/// What the kernel gives for a missing user: it has no place in the sandbox.
const NOBODY: u64 = 65_534;

/// Not all of it was saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveError {
    /// A tree is not there.
    #[error("failed to open a tree")]
    Tree(#[source] Errno),
    /// A directory could not be read.
    #[error("failed to read a directory")]
    Directory(#[source] Errno),
    /// A file could not be read.
    #[error("failed to read a file")]
    File(#[source] io::Error),
    /// The other end does not take it.
    #[error("failed to write the archive")]
    Write(#[source] io::Error),
}

/// Writes all trees to `to`.
pub(crate) fn save(trees: &Trees, to: impl Write) -> Result<(), SaveError> {
    let mut saver = Saver { builder: Builder::new(to), links: HashMap::new() };
    for tree in trees.iter() {
        saver.save_tree(tree)?;
    }
    saver.builder.into_inner().and_then(|mut to| to.flush()).map_err(SaveError::Write)
}

struct Saver<W: Write> {
    builder: Builder<W>,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Saver<W> {
    fn save_tree(&mut self, tree: &Tree) -> Result<(), SaveError> {
        let root = tree.open(Path::new(""), OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(SaveError::Tree)?;
        let root_status = fstatat(&root, "", AtFlags::AT_EMPTY_PATH).map_err(SaveError::Tree)?;
        if !tree.place.as_os_str().is_empty() {
            self.append_directory(&tree.place, &root_status)?;
        }
        // Not by recursion: how deep a tree goes is up to whoever made it.
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
            let opened = match tree.open(&directory, flags) {
                Ok(opened) => opened,
                Err(errno) if is_change(errno) => continue,
                Err(errno) => return Err(SaveError::Directory(errno)),
            };
            if is_opaque(&opened) {
                self.append_mark(&tree.place.join(&directory), OPAQUE)?;
            }
            for name in names(&opened)? {
                let inside = directory.join(&name);
                let status = match fstatat(&opened, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                    Ok(status) => status,
                    Err(errno) if is_change(errno) => continue,
                    Err(errno) => return Err(SaveError::Directory(errno)),
                };
                // A volume, or another mount of the sandbox's own.
                if status.st_dev != root_status.st_dev {
                    continue;
                }
                let is_directory = self.save_member(tree, &opened, &inside, &name, &status)?;
                if is_directory {
                    directories.push(inside);
                }
            }
        }
        Ok(())
    }

    /// Saves one member, and says whether it is a directory, whose members are still to be saved.
    fn save_member(
        &mut self,
        tree: &Tree,
        directory: &OwnedFd,
        inside: &Path,
        name: &OsStr,
        status: &FileStat,
    ) -> Result<bool, SaveError> {
        let path = tree.place.join(inside);
        match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => {
                self.append_directory(&path, status)?;
                return Ok(true);
            }
            SFlag::S_IFREG => self.save_file(tree, inside, &path, status)?,
            SFlag::S_IFLNK => {
                if let Some(target) = unless_changed(readlinkat(directory, name), SaveError::Directory)? {
                    let mut header = header(EntryType::Symlink, status);
                    self.builder
                        .append_link(&mut header, &path, Path::new(&target))
                        .map_err(SaveError::Write)?;
                }
            }
            SFlag::S_IFCHR if status.st_rdev == 0 => self.append_mark(&path, REMOVED)?,
            SFlag::S_IFIFO => self.append(EntryType::Fifo, &path, status)?,
            // A socket is nothing without the process that made it, and no command can make a device.
            _ => {}
        }
        Ok(false)
    }

    fn save_file(
        &mut self,
        tree: &Tree,
        inside: &Path,
        path: &Path,
        status: &FileStat,
    ) -> Result<(), SaveError> {
        if status.st_nlink > 1 {
            let key = (status.st_dev, status.st_ino);
            if let Some(first) = self.links.get(&key) {
                let mut header = header(EntryType::Link, status);
                let target = first.clone();
                return self.builder.append_link(&mut header, path, target).map_err(SaveError::Write);
            }
            self.links.insert(key, path.to_owned());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let opened = unless_changed(tree.open(inside, flags), |errno| SaveError::File(errno.into()))?;
        let Some(file) = opened.map(File::from) else { return Ok(()) };
        let length = file.metadata().map_err(SaveError::File)?.len();
        let mut header = header(EntryType::Regular, status);
        header.set_size(length);
        // As long as it was said to be, whatever becomes of it meanwhile.
        let exactly = file.chain(io::repeat(0)).take(length);
        self.builder.append_data(&mut header, path, exactly).map_err(SaveError::Write)
    }

    fn append_directory(&mut self, path: &Path, status: &FileStat) -> Result<(), SaveError> {
        self.append(EntryType::Directory, path, status)
    }

    fn append(&mut self, kind: EntryType, path: &Path, status: &FileStat) -> Result<(), SaveError> {
        self.builder.append_data(&mut header(kind, status), path, io::empty()).map_err(SaveError::Write)
    }

    fn append_mark(&mut self, path: &Path, mark: u32) -> Result<(), SaveError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Char);
        // A field that is left empty is no number.
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        header
            .set_device_major(0)
            .and_then(|()| header.set_device_minor(mark))
            .and_then(|()| self.builder.append_data(&mut header, path, io::empty()))
            .map_err(SaveError::Write)
    }
}

fn header(kind: EntryType, status: &FileStat) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(status.st_mode & PERMISSIONS);
    header.set_uid(u64::from(status.st_uid).min(NOBODY));
    header.set_gid(u64::from(status.st_gid).min(NOBODY));
    header.set_mtime(u64::try_from(status.st_mtime).unwrap_or_default());
    header.set_size(0);
    header
}

/// Names in a directory, in no order.
fn names(directory: &OwnedFd) -> Result<Vec<OsString>, SaveError> {
    let copy = directory.try_clone().map_err(|error| SaveError::Directory(errno(error)))?;
    let mut opened = Dir::from_fd(copy).map_err(SaveError::Directory)?;
    let mut names = Vec::new();
    for entry in opened.iter() {
        let entry = entry.map_err(SaveError::Directory)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    Ok(names)
}

/// Whether an error says that somebody changed the tree meanwhile.
fn is_change(errno: Errno) -> bool {
    // The last: somebody put a mount, a link or a directory in its place.
    matches!(errno, Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV)
}

fn unless_changed<T>(
    answer: Result<T, Errno>,
    failed: impl FnOnce(Errno) -> SaveError,
) -> Result<Option<T>, SaveError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(errno) if is_change(errno) => Ok(None),
        Err(errno) => Err(failed(errno)),
    }
}

/// Whether a directory of an upper directory hides the image's.
fn is_opaque(directory: &OwnedFd) -> bool {
    let mut value = [0_u8; 4];
    let length = fgetxattr(directory, OPAQUE_ATTRIBUTE, &mut value);
    length.is_ok_and(|length| value.get(..length).is_some_and(|value| value == b"y"))
}
