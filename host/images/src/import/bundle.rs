//! The documents and layers of an image, by their paths: in a folder, or in a tar archive of one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use tar::{Archive, EntryType};

use super::compression::Compression;
use super::error::{BundleFault, ImportError};
use super::layer::{self, Whiteouts};
use super::limits::Limits;
use super::path::{MemberPath, shown};
use super::tree::Tree;
use crate::digest::{Digest, Hashing};

/// Of a manifest, an index or a configuration. Registries take no manifest above 4 MiB (OCI distribution specification).
const LONGEST_DOCUMENT: u64 = 4 * 1024 * 1024;
/// An image in an archive is some hundreds of members. What has more is a root.
const MOST_MEMBERS: usize = 16 * 1024;
/// Old versions of docker store a layer that is there twice as a link to itself elsewhere.
const MOST_LINKS: usize = 4;
const CHUNK: usize = 64 * 1024;

/// Where an image's documents and layers are.
#[derive(Debug)]
pub(crate) enum Bundle<'a> {
    Folder(&'a OwnedFd),
    Tar { file: &'a File, index: HashMap<Vec<u8>, Stored> },
}

/// A member of an archive.
#[derive(Debug)]
pub(crate) enum Stored {
    File {
        offset: u64,
        size: u64,
    },
    Link(Vec<u8>),
    /// There more than once: which one holds would depend on who reads it.
    Twice,
}

/// What a document says of a blob that it names.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Of the bytes as they are stored.
    pub(crate) digest: Option<Digest>,
    /// Of the bytes without their compression.
    pub(crate) difference: Option<Digest>,
    pub(crate) size: Option<u64>,
}

impl<'a> Bundle<'a> {
    /// Looks through an archive. None: it is no image's documents and layers, or it is damaged, and whoever reads it as
    /// a root will say how.
    pub(crate) fn of_archive(file: &'a File, limits: &Limits) -> Option<Self> {
        let mut index = HashMap::new();
        let mut archive = Archive::new(file);
        for entry in archive.entries_with_seek().ok()?.raw(true) {
            let entry = entry.ok()?;
            // A name that is too long for its header is none that a manifest would name.
            let Ok(path) = MemberPath::parse(&entry.path_bytes(), limits) else { continue };
            let stored = match entry.header().entry_type() {
                EntryType::Regular => Stored::File { offset: entry.raw_file_position(), size: entry.size() },
                EntryType::Symlink => Stored::Link(entry.link_name_bytes().unwrap_or_default().into_owned()),
                _ => continue,
            };
            if index.len() == MOST_MEMBERS {
                return None;
            }
            let known = index.entry(path.bytes().to_vec());
            known.and_modify(|known| *known = Stored::Twice).or_insert(stored);
        }
        Some(Self::Tar { file, index })
    }

    pub(crate) fn is_archive(&self) -> bool {
        matches!(self, Self::Tar { .. })
    }

    /// Whether there is a file of this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        match self {
            Self::Folder(folder) => open_beneath(folder, path).is_ok_and(|found| found.is_some()),
            Self::Tar { index, .. } => index.contains_key(path.as_bytes()),
        }
    }

    /// Reads a document.
    pub(crate) fn document<T: DeserializeOwned>(
        &self,
        path: &str,
        expected: &Expected,
    ) -> Result<T, ImportError> {
        let blob = self.blob(path)?;
        let most = LONGEST_DOCUMENT;
        if blob.size() > most {
            return Err(BundleFault::LongDocument { document: shown(path.as_bytes()), most }.into());
        }
        let mut bytes = Vec::new();
        blob.take(most).read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
        check(path, expected, &Digest::of(&bytes), bytes.len() as u64)?;
        let malformed = |source| BundleFault::Malformed { document: shown(path.as_bytes()), source };
        Ok(serde_json::from_slice(&bytes).map_err(malformed)?)
    }

    /// Applies a layer to the tree, and checks that it was the one that was meant: a whole tree is thrown away for one
    /// wrong byte.
    pub(crate) fn layer(
        &self,
        path: &str,
        expected: &Expected,
        tree: &mut Tree<'_>,
    ) -> Result<(), ImportError> {
        let mut stored = Hashing::new(self.blob(path)?);
        let mut stream = BufReader::with_capacity(CHUNK, &mut stored);
        let compression = Compression::of(&mut stream)?;
        let plain = compression.undo(stream).map_err(ImportError::of_stream)?;
        let bounded = tree.budget.bounded(Hashing::new(plain));
        let mut bounded = layer::apply(tree, bounded, Whiteouts::Obeyed)?;
        // What comes after the end of the archive counts and is part of the digest too.
        io::copy(&mut bounded, &mut io::sink()).map_err(ImportError::of_stream)?;
        tree.budget.streamed(bounded.passed());
        let (difference, _) = bounded.into_inner().finish().map_err(ImportError::of_stream)?;
        let (digest, size) = stored.finish().map_err(|source| unreadable(path, source))?;
        check(path, expected, &digest, size)?;
        match &expected.difference {
            Some(meant) if *meant != difference => Err(mismatch(path, meant, &difference).into()),
            _ => Ok(()),
        }
    }

    fn blob(&self, path: &str) -> Result<Section<'a>, BundleFault> {
        let found = match self {
            Self::Folder(folder) => open_beneath(folder, path).map_err(|source| unreadable(path, source))?,
            Self::Tar { file, index } => find(index, path.as_bytes())?.map(|(offset, size)| Section {
                file: Held::Lent(file),
                offset,
                left: size,
            }),
        };
        found.ok_or_else(|| BundleFault::Missing(shown(path.as_bytes())))
    }
}

/// A file of a folder that somebody else made: no link is followed, and nothing above it is reached.
fn open_beneath(folder: &OwnedFd, path: &str) -> io::Result<Option<Section<'static>>> {
    // A named pipe would be waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(folder, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        opened => opened?,
    };
    let stat = fstat(file.as_fd())?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let left = u64::try_from(stat.st_size).unwrap_or(0);
    Ok(Some(Section { file: Held::Owned(file.into()), offset: 0, left }))
}

/// Where a file of an archive is, and how long.
fn find(index: &HashMap<Vec<u8>, Stored>, path: &[u8]) -> Result<Option<(u64, u64)>, BundleFault> {
    let mut path = path.to_vec();
    for _ in 0..=MOST_LINKS {
        match index.get(&path) {
            None => return Ok(None),
            Some(Stored::Twice) => return Err(BundleFault::Duplicate(shown(&path))),
            Some(Stored::File { offset, size }) => return Ok(Some((*offset, *size))),
            Some(Stored::Link(target)) => match resolve(&path, target) {
                Some(next) => path = next,
                None => return Ok(None),
            },
        }
    }
    Ok(None)
}

/// What a link means, by its text alone: in an archive there is nothing else to go by.
fn resolve(link: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut names: Vec<&[u8]> = link.split(|byte| *byte == b'/').collect();
    names.pop();
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.join(&b'/'))
}

fn check(path: &str, expected: &Expected, digest: &Digest, size: u64) -> Result<(), BundleFault> {
    if let Some(meant) = expected.size.filter(|meant| *meant != size) {
        return Err(BundleFault::SizeMismatch { blob: shown(path.as_bytes()), expected: meant, found: size });
    }
    match &expected.digest {
        Some(meant) if meant != digest => Err(mismatch(path, meant, digest)),
        _ => Ok(()),
    }
}

fn mismatch(path: &str, expected: &Digest, found: &Digest) -> BundleFault {
    BundleFault::DigestMismatch {
        blob: shown(path.as_bytes()),
        expected: expected.clone(),
        found: found.clone(),
    }
}

fn unreadable(path: &str, source: io::Error) -> BundleFault {
    BundleFault::Read { blob: shown(path.as_bytes()), source }
}

/// An archive from its beginning to its end.
pub(crate) fn whole(file: &File) -> Section<'_> {
    Section { file: Held::Lent(file), offset: 0, left: u64::MAX }
}

/// A part of a file, read from where it begins to where it ends.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    file: Held<'a>,
    offset: u64,
    left: u64,
}

#[derive(Debug)]
enum Held<'a> {
    Lent(&'a File),
    Owned(File),
}

impl Section<'_> {
    fn size(&self) -> u64 {
        self.left
    }
}

impl Read for Section<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let file = match &self.file {
            Held::Lent(file) => file,
            Held::Owned(file) => file,
        };
        let read = file.read_at(into.get_mut(..most).unwrap_or_default(), self.offset)?;
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(offset: u64) -> Stored {
        Stored::File { offset, size: 1 }
    }

    #[test]
    fn a_link_is_followed_by_its_text_and_not_for_ever() {
        let index = HashMap::from([
            (b"a/layer.tar".to_vec(), file(512)),
            (b"b/layer.tar".to_vec(), Stored::Link(b"../a/layer.tar".to_vec())),
            (b"out".to_vec(), Stored::Link(b"../../etc/passwd".to_vec())),
            (b"circle".to_vec(), Stored::Link(b"circle".to_vec())),
        ]);
        assert_eq!(find(&index, b"b/layer.tar").unwrap(), Some((512, 1)));
        for path in ["out", "circle", "nowhere"] {
            assert_eq!(find(&index, path.as_bytes()).unwrap(), None);
        }
    }
}
