//! A directory that is a root, copied file by file. No link in it is followed, and no other file system is entered.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};

use super::error::{ImportError, MemberFault};
use super::path::MemberPath;
use super::tree::{Attributes, Tree};
use crate::folder;

/// Of the paths of files that have several names. A file beyond that is stored once for each of its names.
const MOST_REMEMBERED: usize = 64 * 1024 * 1024;

/// Copies all that is in `source` into the tree. `store` is where images are kept, which may not be in it.
pub(crate) fn import(source: &OwnedFd, store: &Stat, tree: &mut Tree<'_>) -> Result<(), ImportError> {
    let root = fstat(source).map_err(|error| ImportError::OpenSource(error.into()))?;
    let mut copying = Copying { tree, device: root.st_dev, store, names: Names::default() };
    copying.directory(source, &MemberPath::default())
}

struct Copying<'t, 'b> {
    tree: &'t mut Tree<'b>,
    device: u64,
    store: &'t Stat,
    names: Names,
}

/// Files that have more names than one, by the first that was met.
#[derive(Default)]
struct Names {
    first: HashMap<u64, MemberPath>,
    bytes: usize,
}

impl Names {
    fn first(&self, stat: &Stat) -> Option<&MemberPath> {
        self.first.get(&stat.st_ino)
    }

    fn remember(&mut self, stat: &Stat, path: &MemberPath) {
        let bytes = self.bytes + path.bytes().len();
        if stat.st_nlink > 1 && bytes <= MOST_REMEMBERED {
            self.bytes = bytes;
            self.first.insert(stat.st_ino, path.clone());
        }
    }
}

impl Copying<'_, '_> {
    fn directory(&mut self, directory: &OwnedFd, path: &MemberPath) -> Result<(), ImportError> {
        let read = |error: rustix::io::Errno| path.fault(MemberFault::Read(error.into()));
        for listed in folder::list(directory).map_err(read)? {
            let name = listed.map_err(read)?.name;
            let inner = path.clone().join(name.to_bytes());
            // Checks what a member of an archive is checked for: whoever made the directory may have made it for this.
            let inner = MemberPath::parse(inner.bytes(), self.tree.budget.limits())
                .map_err(|fault| inner.fault(fault))?;
            self.tree.budget.take_entry()?;
            self.entry(directory, name.to_bytes(), &inner)?;
        }
        Ok(())
    }

    fn entry(&mut self, directory: &OwnedFd, name: &[u8], path: &MemberPath) -> Result<(), ImportError> {
        let read = |error: rustix::io::Errno| path.fault(MemberFault::Read(error.into()));
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(read)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let opened = folder::open(directory, name).map_err(read)?;
                // What was opened counts, not what was looked at before.
                let stat = fstat(&opened).map_err(read)?;
                if (stat.st_dev, stat.st_ino) == (self.store.st_dev, self.store.st_ino) {
                    return Err(ImportError::HoldsStore);
                }
                self.tree.directory(path, attributes(&stat))?;
                if stat.st_dev != self.device {
                    self.tree.skipped.mounts += 1;
                    return Ok(());
                }
                self.directory(&opened, path)
            }
            FileType::RegularFile => self.file(directory, name, path),
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new()).map_err(read)?;
                self.tree.symbolic_link(path, target.to_bytes(), attributes(&stat))
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                self.tree.skipped.devices += 1;
                Ok(())
            }
            FileType::Fifo => {
                self.tree.skipped.pipes += 1;
                Ok(())
            }
            FileType::Socket => {
                self.tree.skipped.sockets += 1;
                Ok(())
            }
            FileType::Unknown => Err(path.fault(MemberFault::UnknownKind('?'))),
        }
    }

    fn file(&mut self, directory: &OwnedFd, name: &[u8], path: &MemberPath) -> Result<(), ImportError> {
        let read = |error: io::Error| path.fault(MemberFault::Read(error));
        // A named pipe that took its place would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(directory, name, flags, Mode::empty()).map_err(|error| read(error.into()))?;
        let stat = fstat(&opened).map_err(|error| read(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(path.fault(MemberFault::Changed));
        }
        if let Some(first) = self.names.first(&stat) {
            return self.tree.hard_link(path, first);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut file = self.tree.file(path, attributes(&stat), size)?;
        // One byte more tells a file that grows from one that does not.
        let mut contents = File::from(opened).take(size.saturating_add(1));
        let copied = io::copy(&mut contents, &mut file.contents);
        let copied = copied.map_err(|error| path.fault(MemberFault::Write(error)))?;
        if copied != size {
            return Err(path.fault(MemberFault::Changed));
        }
        file.finish().map_err(|fault| path.fault(fault))?;
        self.names.remember(&stat, path);
        Ok(())
    }
}

fn attributes(stat: &Stat) -> Attributes {
    Attributes {
        mode: stat.st_mode & 0o7777,
        uid: u64::from(stat.st_uid),
        gid: u64::from(stat.st_gid),
        modified: stat.st_mtime,
    }
}
