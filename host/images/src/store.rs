//! The images of one user: a folder of theirs for each, and nothing in it that is not whole.
//!
//! ```text
//! NAME/root/        the root file system
//! NAME/image.json   what is known about it
//! NAME/disk-1.erofs the root as a disk, once a microVM wanted it (see `disk`)
//! .new-… .old-…     what is under way (see `staging`)
//! ```
//!
//! Who uses an image holds a lock on its root, shared; who removes or replaces it needs that lock alone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::SystemTime;

use cap_std::fs::Dir;
use rustix::fs::{
    FlockOperation, Mode, OFlags, RenameFlags, flock, fstat, fsync, mkdirat, openat, renameat_with, syncfs,
};
use rustix::io::Errno;

use crate::folder;
use crate::import::error::ImportError;
use crate::import::{ImportOptions, Imported, fill};
use crate::metadata::{FORMAT, Metadata};
use crate::name::ImageName;
use crate::staging::{Staging, StoreLock, retired};

const ROOT: &str = "root";
const RECORD: &str = "image.json";
/// Variables of an image's configuration are the longest part of it, and documents are at most 4 MiB.
const LONGEST_RECORD: u64 = 16 * 1024 * 1024;

/// The images of one user.
#[derive(Debug)]
pub struct ImageStore {
    folder: OwnedFd,
}

/// An image in use. Its root stays as it is for as long as this lives.
#[derive(Debug)]
pub struct Image {
    folder: OwnedFd,
    root: OwnedFd,
    metadata: Metadata,
}

/// An image of the store, as far as it can be read.
#[derive(Debug)]
pub struct ListedImage {
    /// By which specs ask for it.
    pub name: ImageName,
    /// What is known about it, or why nothing is.
    pub metadata: Result<Metadata, OpenImageError>,
}

/// Why an image can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenImageError {
    /// The store's folder.
    #[error("failed to read the image store")]
    Store(#[source] io::Error),
    /// The image's own folder.
    #[error("failed to open the image `{name}`")]
    Open {
        /// Of the image.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `image.json` can't be read.
    #[error("failed to read what is known about the image `{name}`")]
    Read {
        /// Of the image.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `image.json` is not what this store writes.
    #[error("what is known about the image `{name}` is malformed: remove the image and import it again")]
    Malformed {
        /// Of the image.
        name: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Written by another version of this store.
    #[error("the image `{name}` is in format {format}, not {FORMAT}: remove it and import it again")]
    Format {
        /// Of the image.
        name: String,
        /// Its format.
        format: u32,
    },
}

/// Why an image is still there.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is none.
    #[error("there is no image `{0}`")]
    Missing(String),
    /// A sandbox has it.
    #[error("the image `{0}` is in use by a sandbox")]
    InUse(String),
    /// The store's lock.
    #[error("failed to lock the image store")]
    Lock(#[source] io::Error),
    /// Taking its name away.
    #[error("failed to take the image out of the store")]
    Retire(#[source] io::Error),
    /// Its files. It can't be used any more, and the next import removes the rest.
    #[error("failed to remove all files of the image")]
    Remove(#[source] io::Error),
}

impl ImageStore {
    /// Uses `folder`, which nobody but its owner may be able to change.
    ///
    /// # Errors
    /// [`OpenImageError::Store`].
    pub fn open(folder: &Dir) -> Result<Self, OpenImageError> {
        // It may be opened as a place alone (O_PATH), which can be neither listed nor locked.
        let folder = folder::open(folder, ".").map_err(|error| OpenImageError::Store(error.into()))?;
        Ok(Self { folder })
    }

    /// Imports a root, or an image with one, under a name. `source` is a directory, an archive, or a pipe that an archive
    /// comes from. Blocks for as long as it takes.
    ///
    /// # Errors
    /// Each variant of [`ImportError`]; the store is then as it was before.
    pub fn import(
        &self,
        name: &ImageName,
        source: File,
        options: &ImportOptions,
    ) -> Result<Metadata, ImportError> {
        // Asked again at the end. This only spares the work.
        if !options.replace && self.holds(name) {
            return Err(ImportError::Exists(name.to_string()));
        }
        let staging = Staging::begin(self.folder.as_fd())?;
        let place = staging.folder();
        let root = mkdirat(place, ROOT, Mode::RWXU).and_then(|()| folder::open(place, ROOT));
        let root = root.map_err(|error| ImportError::MakeRoot(error.into()))?;
        let store = fstat(&self.folder).map_err(|error| ImportError::MakeRoot(error.into()))?;
        let imported = fill(root, source, place, &store, options)?;
        let metadata = describe(name, imported);
        record(place, &metadata).map_err(ImportError::Record)?;
        // One call for all files: to ask for each would take minutes where this takes seconds.
        syncfs(place).map_err(|error| ImportError::Sync(error.into()))?;
        self.publish(staging, name, options.replace)?;
        Ok(metadata)
    }

    /// All images by name. One that can't be used is there with the reason.
    ///
    /// # Errors
    /// [`OpenImageError::Store`].
    pub fn list(&self) -> Result<Vec<ListedImage>, OpenImageError> {
        let store = |error: Errno| OpenImageError::Store(error.into());
        let mut images = Vec::new();
        for listed in folder::list(&self.folder).map_err(store)? {
            let name = listed.map_err(store)?.name;
            let Some(name) = name.to_str().ok().and_then(|name| name.parse::<ImageName>().ok()) else {
                continue;
            };
            // None: it was removed meanwhile.
            if let Some(metadata) = self.metadata(&name).transpose() {
                images.push(ListedImage { name, metadata });
            }
        }
        images.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(images)
    }

    /// What is known about an image; none if there is no such image.
    ///
    /// # Errors
    /// Each variant of [`OpenImageError`].
    pub fn metadata(&self, name: &ImageName) -> Result<Option<Metadata>, OpenImageError> {
        match self.open_folder(name)? {
            Some(image) => read_record(image.as_fd(), name).map(Some),
            None => Ok(None),
        }
    }

    /// Opens an image to be used; none if there is no such image.
    ///
    /// # Errors
    /// Each variant of [`OpenImageError`].
    pub fn open_root(&self, name: &ImageName) -> Result<Option<Image>, OpenImageError> {
        let open = |source| OpenImageError::Open { name: name.to_string(), source };
        // An image that is just being replaced is waited for.
        let _lock = StoreLock::take(self.folder.as_fd()).map_err(OpenImageError::Store)?;
        let Some(folder) = self.open_folder(name)? else { return Ok(None) };
        let metadata = read_record(folder.as_fd(), name)?;
        let root = folder::open(&folder, ROOT).map_err(|error| open(error.into()))?;
        flock(&root, FlockOperation::NonBlockingLockShared).map_err(|error| open(error.into()))?;
        Ok(Some(Image { folder, root, metadata }))
    }

    /// Removes an image that nobody uses.
    ///
    /// # Errors
    /// Each variant of [`RemoveError`].
    pub fn remove(&self, name: &ImageName) -> Result<(), RemoveError> {
        let lock = StoreLock::take(self.folder.as_fd()).map_err(RemoveError::Lock)?;
        let image = match folder::open(&self.folder, name.as_str()) {
            Err(Errno::NOENT) => return Err(RemoveError::Missing(name.to_string())),
            opened => opened.map_err(|error| RemoveError::Retire(error.into()))?,
        };
        let _alone = match claim(&image) {
            Err(Errno::WOULDBLOCK) => return Err(RemoveError::InUse(name.to_string())),
            claimed => claimed.map_err(|error| RemoveError::Retire(error.into()))?,
        };
        let retired = self.retire(name.as_str()).map_err(RemoveError::Retire)?;
        // Nobody sweeps it away meanwhile: whoever does so has to have its lock.
        flock(&image, FlockOperation::LockExclusive).map_err(|error| RemoveError::Retire(error.into()))?;
        drop(lock);
        folder::remove(&self.folder, retired.as_str()).map_err(|error| RemoveError::Remove(error.into()))
    }

    /// Gives what was staged its name.
    fn publish(&self, staging: Staging<'_>, name: &ImageName, replace: bool) -> Result<(), ImportError> {
        let publish = |error: Errno| ImportError::Publish(error.into());
        let store = self.folder.as_fd();
        let lock = StoreLock::take(store).map_err(ImportError::Publish)?;
        let put = |flags| renameat_with(store, staging.name(), store, name.as_str(), flags);
        match put(RenameFlags::NOREPLACE) {
            Ok(()) => staging.publish(),
            Err(Errno::EXIST) if !replace => return Err(ImportError::Exists(name.to_string())),
            Err(Errno::EXIST) => {
                let old = folder::open(store, name.as_str()).map_err(publish)?;
                let _alone = match claim(&old) {
                    Err(Errno::WOULDBLOCK) => return Err(ImportError::InUse(name.to_string())),
                    claimed => claimed.map_err(publish)?,
                };
                // There is an image of that name at every moment. What was staged is the old one from here on, and is
                // removed with it; its lock keeps others from doing so too.
                put(RenameFlags::EXCHANGE).map_err(publish)?;
                flock(&old, FlockOperation::LockExclusive).map_err(publish)?;
                drop(lock);
                drop(staging);
            }
            Err(error) => return Err(publish(error)),
        }
        fsync(store).map_err(|error| ImportError::Sync(error.into()))
    }

    /// Takes an image's name away, and gives it one that leads nowhere.
    fn retire(&self, name: &str) -> io::Result<String> {
        retired(|free| renameat_with(&self.folder, name, &self.folder, free, RenameFlags::NOREPLACE))
    }

    fn holds(&self, name: &ImageName) -> bool {
        folder::open(&self.folder, name.as_str()).is_ok()
    }

    fn open_folder(&self, name: &ImageName) -> Result<Option<OwnedFd>, OpenImageError> {
        match folder::open(&self.folder, name.as_str()) {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(OpenImageError::Open { name: name.to_string(), source: error.into() }),
            Ok(folder) => Ok(Some(folder)),
        }
    }
}

impl Image {
    /// The root, opened as a directory.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What is known about it.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its folder in the store.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// The root alone. It carries the lock with it: the image is in use until this and all its duplicates are closed.
    pub fn into_root(self) -> OwnedFd {
        self.root
    }
}

/// The lock that nobody has who uses the image. An image that lost its root is nobody's.
fn claim(image: &OwnedFd) -> rustix::io::Result<Option<OwnedFd>> {
    let root = match folder::open(image, ROOT) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        opened => opened?,
    };
    flock(&root, FlockOperation::NonBlockingLockExclusive)?;
    Ok(Some(root))
}

fn describe(name: &ImageName, imported: Imported) -> Metadata {
    let Imported { summary, source, config, skipped, altered } = imported;
    Metadata {
        format: FORMAT,
        name: name.to_string(),
        digest: summary.digest,
        source,
        created: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        entries: summary.entries,
        bytes: summary.bytes,
        skipped,
        altered,
        config,
    }
}

fn record(place: BorrowedFd<'_>, metadata: &Metadata) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(openat(place, RECORD, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(&serde_json::to_vec_pretty(metadata)?)?;
    file.write_all(b"\n")
}

fn read_record(image: BorrowedFd<'_>, name: &ImageName) -> Result<Metadata, OpenImageError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut bytes = Vec::new();
    let read = openat(image, RECORD, flags, Mode::empty())
        .map_err(io::Error::from)
        .and_then(|file| File::from(file).take(LONGEST_RECORD).read_to_end(&mut bytes));
    read.map_err(|source| OpenImageError::Read { name: name.to_string(), source })?;
    let malformed = |source| OpenImageError::Malformed { name: name.to_string(), source };
    // The format alone first: what another one has besides is unknown.
    let Format { format } = serde_json::from_slice(&bytes).map_err(malformed)?;
    match format {
        FORMAT => serde_json::from_slice(&bytes).map_err(malformed),
        format => Err(OpenImageError::Format { name: name.to_string(), format }),
    }
}

#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}
