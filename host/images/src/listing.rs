//! The digest of a root: over a list of all that is in it, in one order, whatever it was imported from.
//!
//! Each entry gives its kind, mode, owner, path, and contents or target, every part of variable length with its length
//! before it, so that no two roots have one list. Times are left out: they are not what makes a root another one.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use sha2::{Digest as _, Sha256};

use crate::digest::{Digest, Hashing};
use crate::folder::{self, Listed};

/// Of the list's form.
const VERSION: &[u8] = b"mimobox image root 1\n";

/// What a root holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) digest: Digest,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

/// Reads the whole root. `deepest` is how many directories deep it may be.
///
/// # Errors
/// It can't be read, or it is deeper: by links within itself, an image can be made so.
pub(crate) fn summarise(root: &OwnedFd, deepest: usize) -> io::Result<Summary> {
    let mut listing =
        Listing { hasher: Sha256::new(), entries: 0, bytes: 0, seen: HashMap::new(), path: Vec::new() };
    listing.hasher.update(VERSION);
    listing.directory(root, deepest)?;
    let Listing { hasher, entries, bytes, .. } = listing;
    Ok(Summary { digest: Digest::from_hasher(hasher), entries, bytes })
}

struct Listing {
    hasher: Sha256,
    entries: u64,
    bytes: u64,
    /// Files of several names: a million names of one large file must not be a million readings of it.
    seen: HashMap<u64, Digest>,
    path: Vec<u8>,
}

impl Listing {
    fn directory(&mut self, directory: &OwnedFd, deepest: usize) -> io::Result<()> {
        let mut names: Vec<Listed> = folder::list(directory)?.collect::<rustix::io::Result<_>>()?;
        names.sort_unstable();
        let above = self.path.len();
        for Listed { name } in names {
            self.path.push(b'/');
            self.path.extend_from_slice(name.to_bytes());
            self.entries += 1;
            let stat = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            self.head(&stat);
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let deeper = deepest.checked_sub(1).ok_or(rustix::io::Errno::NAMETOOLONG)?;
                    self.directory(&folder::open(directory, &name)?, deeper)?;
                }
                FileType::Symlink => {
                    let target = readlinkat(directory, &name, Vec::new())?;
                    self.part(target.to_bytes());
                }
                _ => self.file(directory, &name, &stat)?,
            }
            self.path.truncate(above);
        }
        Ok(())
    }

    fn head(&mut self, stat: &Stat) {
        for number in [stat.st_mode, stat.st_uid, stat.st_gid] {
            self.hasher.update(number.to_le_bytes());
        }
        let path = std::mem::take(&mut self.path);
        self.part(&path);
        self.path = path;
    }

    fn file(&mut self, directory: &OwnedFd, name: &std::ffi::CStr, stat: &Stat) -> io::Result<()> {
        let digest = match self.seen.get(&stat.st_ino) {
            Some(digest) => digest.clone(),
            None => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = File::from(openat(directory, name, flags, Mode::empty())?);
                let (digest, size) = Hashing::new(file).finish()?;
                self.bytes += size;
                if stat.st_nlink > 1 {
                    self.seen.insert(stat.st_ino, digest.clone());
                }
                digest
            }
        };
        self.hasher.update(digest.bytes());
        Ok(())
    }

    fn part(&mut self, bytes: &[u8]) {
        self.hasher.update((bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }
}
