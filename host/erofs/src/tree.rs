//! A directory of the host as it is, into an image.
//!
//! Whoever made it may be anybody, and may change it meanwhile. So each directory and file is opened beneath the root without
//! following a link, and a file's contents only if it still is the file that was found.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, readlinkat, statat};
use rustix::io::Errno;

use crate::builder::{AddError, Builder};
use crate::entry::{Attributes, Contents, Device, Entry};

/// openat2(2) asks to be called again where a rename anywhere on the machine came between.
const ATTEMPTS: u32 = 128;

/// Something in the directory, before it is added.
#[derive(Clone, Copy, Debug)]
pub struct Found<'f> {
    /// From the directory; empty for itself.
    pub path: &'f [u8],
    /// What stat(2) says it is.
    pub kind: FileType,
    /// As it is on the host.
    pub attributes: Attributes,
}

/// Why a directory could not be added.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// More was found than shall be added.
    #[error("there are more than {0} files, directories and links")]
    TooMany(u64),
    /// A directory, or what is in it.
    #[error("failed to read `{path}`")]
    Read {
        /// From the directory, with what is not printable escaped.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It can't be in an image.
    #[error("failed to add `{path}`")]
    Add {
        /// From the directory, with what is not printable escaped.
        path: String,
        /// Why.
        #[source]
        source: AddError,
    },
}

impl<'a> Builder<'a> {
    /// Adds what is in `root`, and `root` itself as the image's root. `describe` says for each what its attributes shall be,
    /// or that it shall be left out, with all that is in it. At most `most` entries are added.
    ///
    /// Files of several names are one file again. They are opened when the image is written, one at a time, and what grew
    /// meanwhile is cut to the size that it had.
    ///
    /// # Errors
    /// Each variant of [`TreeError`].
    pub fn add_tree(
        &mut self,
        root: impl AsFd,
        most: u64,
        describe: &mut dyn FnMut(Found<'_>) -> Option<Attributes>,
    ) -> Result<(), TreeError> {
        let root = Arc::new(open(&root, b".", OFlags::DIRECTORY).map_err(|error| unread(b"", error))?);
        let stat = rustix::fs::fstat(&*root).map_err(|error| unread(b"", error))?;
        let Some(attributes) = describe(found(b"", &stat)) else { return Ok(()) };
        self.add(b"", attributes, Entry::Directory).map_err(|error| unadded(b"", error))?;

        let mut walk = Walk { root, most, left: most, known: HashMap::new() };
        let mut directories = vec![Vec::new()];
        while let Some(path) = directories.pop() {
            walk.directory(self, &path, &mut directories, describe)?;
        }
        Ok(())
    }
}

struct Walk {
    root: Arc<OwnedFd>,
    most: u64,
    left: u64,
    /// Files of several names, by device and inode.
    known: HashMap<(u64, u64), Vec<u8>>,
}

impl Walk {
    /// Adds what is in one directory, and notes the directories in it.
    fn directory(
        &mut self,
        builder: &mut Builder<'_>,
        path: &[u8],
        further: &mut Vec<Vec<u8>>,
        describe: &mut dyn FnMut(Found<'_>) -> Option<Attributes>,
    ) -> Result<(), TreeError> {
        let directory = match path {
            b"" => open(&self.root, b".", OFlags::DIRECTORY),
            path => open(&self.root, path, OFlags::DIRECTORY),
        };
        let directory = directory.map_err(|error| unread(path, error))?;
        for listed in Dir::read_from(&directory).map_err(|error| unread(path, error))? {
            let listed = listed.map_err(|error| unread(path, error))?;
            let name = listed.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let inner = join(path, name.to_bytes());
            let stat = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue, // Removed meanwhile.
                stat => stat.map_err(|error| unread(&inner, error))?,
            };
            let Some(attributes) = describe(found(&inner, &stat)) else { continue };
            self.left = self.left.checked_sub(1).ok_or(TreeError::TooMany(self.most))?;
            self.entry(builder, &directory, name, &inner, &stat, attributes)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                further.push(inner);
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        builder: &mut Builder<'_>,
        directory: &OwnedFd,
        name: &CStr,
        path: &[u8],
        stat: &Stat,
        attributes: Attributes,
    ) -> Result<(), TreeError> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if stat.st_nlink > 1 && kind != FileType::Directory {
            if let Some(first) = self.known.get(&(stat.st_dev, stat.st_ino)) {
                return builder.link(path, first).map_err(|error| unadded(path, error));
            }
            self.known.insert((stat.st_dev, stat.st_ino), path.to_vec());
        }
        let device =
            Device { major: rustix::fs::major(stat.st_rdev), minor: rustix::fs::minor(stat.st_rdev) };
        let entry = match kind {
            FileType::Directory => Entry::Directory,
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new()).map_err(|error| unread(path, error))?;
                Entry::SymbolicLink(target.into_bytes())
            }
            FileType::RegularFile => Entry::File(self.contents(path, stat)),
            FileType::CharacterDevice => Entry::CharacterDevice(device),
            FileType::BlockDevice => Entry::BlockDevice(device),
            FileType::Fifo => Entry::Pipe,
            FileType::Socket => Entry::Socket,
            FileType::Unknown => return Ok(()),
        };
        builder.add(path, attributes, entry).map_err(|error| unadded(path, error))
    }

    fn contents<'c>(&self, path: &[u8], stat: &Stat) -> Contents<'c> {
        let (root, path, stat) = (Arc::clone(&self.root), path.to_vec(), *stat);
        Contents::deferred(u64::try_from(stat.st_size).unwrap_or(0), move || {
            // Without waiting: what was a file may be a pipe by now.
            let file = open(&root, &path, OFlags::NONBLOCK)?;
            let now = rustix::fs::fstat(&file)?;
            if (now.st_dev, now.st_ino, now.st_mode) != (stat.st_dev, stat.st_ino, stat.st_mode) {
                return Err(Errno::STALE.into());
            }
            Ok(Box::new(File::from(file)) as Box<dyn Read>)
        })
    }
}

fn open(root: &impl AsFd, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    for _ in 1..ATTEMPTS {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            opened => return opened,
        }
    }
    openat2(root, path, flags, Mode::empty(), resolve)
}

fn found<'f>(path: &'f [u8], stat: &Stat) -> Found<'f> {
    let attributes = Attributes {
        mode: u16::try_from(stat.st_mode & 0o7777).unwrap_or(0),
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified: stat.st_mtime,
    };
    Found { path, kind: FileType::from_raw_mode(stat.st_mode), attributes }
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    match path {
        b"" => name.to_vec(),
        path => [path, b"/", name].concat(),
    }
}

fn unread(path: &[u8], error: Errno) -> TreeError {
    TreeError::Read { path: path.escape_ascii().to_string(), source: error.into() }
}

fn unadded(path: &[u8], source: AddError) -> TreeError {
    TreeError::Add { path: path.escape_ascii().to_string(), source }
}
