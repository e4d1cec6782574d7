//! Why an import failed. Whatever the reason, nothing of it is left in the store.

use std::io;

use super::limits::{LimitReached, Stop};
use super::path::shown;
use crate::digest::{Digest, DigestError};
use crate::staging::StagingError;

/// Why there is no new image.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The name is taken.
    #[error("there is an image `{0}` already: remove it first, or replace it")]
    Exists(String),
    /// The image to be replaced is in use.
    #[error("the image `{0}` is in use by a sandbox")]
    InUse(String),
    /// There is no such source, or it may not be read.
    #[error("failed to open the source")]
    OpenSource(#[source] io::Error),
    /// A device, or a socket.
    #[error("the source is neither a directory nor an archive")]
    UnusableSource,
    /// The store is inside of the directory that is being imported.
    #[error("the directory holds the image store itself")]
    HoldsStore,
    /// Making a place for the image.
    #[error(transparent)]
    Stage(#[from] StagingError),
    /// The directory that is filled.
    #[error("failed to make the root of the image")]
    MakeRoot(#[source] io::Error),
    /// It would be larger than the operator lets it.
    #[error(transparent)]
    Limit(LimitReached),
    /// [`ImportOptions::called_off`](crate::ImportOptions::called_off) was set.
    #[error("the import was called off")]
    CalledOff,
    /// One file, directory or link of the source.
    #[error("failed to import `{member}`")]
    Member {
        /// Its path, made safe to show.
        member: String,
        /// What is wrong with it.
        #[source]
        fault: MemberFault,
    },
    /// The archive as such.
    #[error("failed to read the archive")]
    Archive(#[source] ArchiveFault),
    /// An OCI layout or a docker archive: what holds its layers together.
    #[error("failed to read the image")]
    Bundle(#[source] BundleFault),
    /// Reading the finished root again.
    #[error("failed to take the digest of the root")]
    Digest(#[source] io::Error),
    /// `image.json`.
    #[error("failed to write down what is known about the image")]
    Record(#[source] io::Error),
    /// Making it last.
    #[error("failed to write the image to the disk")]
    Sync(#[source] io::Error),
    /// Giving it its name.
    #[error("failed to put the image in its place")]
    Publish(#[source] io::Error),
}

/// What is wrong with one member of a source.
#[derive(Debug, thiserror::Error)]
pub enum MemberFault {
    /// Its path begins with a slash.
    #[error("its path is absolute")]
    Absolute,
    /// Its path has a `..` in it.
    #[error("its path leads upwards")]
    Parent,
    /// Its path has a NUL byte in it.
    #[error("its path has a NUL byte in it")]
    NulByte,
    /// Its path has a name of more than 255 bytes.
    #[error("a name in its path is longer than 255 bytes")]
    NameTooLong,
    /// Its path is longer than the limit.
    #[error("its path is longer than {0} bytes")]
    PathTooLong(usize),
    /// Its path has more names than the limit.
    #[error("it is more than {0} directories deep")]
    TooDeep(usize),
    /// It is there twice. Which one holds would depend on who reads the archive.
    #[error("it is there twice")]
    Duplicate,
    /// Its directory is something else, or a link that leads to nothing or in circles.
    #[error("the way to it is no directory")]
    NotInDirectory,
    /// The root is not a directory in it.
    #[error("it would take the place of the root")]
    Root,
    /// A hard link to a path that is not below the root.
    #[error("it is a hard link to a path that is not in the image")]
    LinkOutside(#[source] Box<MemberFault>),
    /// A hard link to nothing.
    #[error("it is a hard link to what is not there")]
    LinkToNothing,
    /// A hard link to a directory, or to what is no file otherwise.
    #[error("it is a hard link to what is no file")]
    LinkToNoFile,
    /// A symbolic link without a target, or with a target of more than 4095 bytes or with a NUL byte in it.
    #[error("it is a symbolic link with an impossible target")]
    LinkTarget,
    /// A few bytes of it could be terabytes in the sandbox.
    #[error("it is stored as a sparse file: make the archive without --sparse")]
    Sparse,
    /// Two sizes, of which each reader of the archive may take another.
    #[error("it is said to have two sizes")]
    TwoSizes,
    /// A whiteout without a name, or of `.` or `..`.
    #[error("it is a whiteout of nothing")]
    Whiteout,
    /// A kind of member that no image needs.
    #[error("it is of the unknown kind {0:?}")]
    UnknownKind(char),
    /// It became shorter or longer meanwhile.
    #[error("it changed while it was read")]
    Changed,
    /// Reading it.
    #[error("failed to read it")]
    Read(#[source] io::Error),
    /// Looking for it in the new root, or making a directory for it.
    #[error("failed to make a way to it")]
    MakeWay(#[source] io::Error),
    /// Removing what was there before.
    #[error("failed to remove what was in its place")]
    Clear(#[source] io::Error),
    /// Making it.
    #[error("failed to make it")]
    Make(#[source] io::Error),
    /// Its contents.
    #[error("failed to write it")]
    Write(#[source] io::Error),
    /// Its owner, its mode or its time.
    #[error("failed to set its owner, mode or time")]
    Attributes(#[source] io::Error),
}

/// What is wrong with an archive as such.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFault {
    /// It ends before it says that it ends.
    #[error("it is cut short")]
    Truncated,
    /// Not a tar archive, a damaged one, or damaged compression; also a failing disk.
    #[error("it is no tar archive, or is damaged")]
    Damaged(#[source] io::Error),
    /// Compressed in a way that this store does not read.
    #[error("it is compressed by {0}: only gzip and zstd are read")]
    Compression(&'static str),
    /// A header that says something about the next member, and is longer than any needs to be.
    #[error("a header is longer than {0} bytes")]
    LongHeader(u64),
    /// Such a header that can't be understood.
    #[error("an extended header is malformed")]
    MalformedHeader,
    /// Such a header with no member after it, or two of them.
    #[error("an extended header belongs to no member")]
    StrayHeader,
    /// Keeping it where it can be read more than once.
    #[error("failed to put it aside")]
    Spool(#[source] io::Error),
}

/// What is wrong with the documents and layers of an OCI layout or a docker archive.
#[derive(Debug, thiserror::Error)]
pub enum BundleFault {
    /// A document or layer that another document names is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// It is there and can't be read.
    #[error("failed to read `{blob}`")]
    Read {
        /// Its path, made safe to show.
        blob: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There twice: which one holds would depend on who reads it.
    #[error("`{0}` is there twice")]
    Duplicate(String),
    /// A document that is longer than any needs to be.
    #[error("`{document}` is longer than {most} bytes")]
    LongDocument {
        /// Its path, made safe to show.
        document: String,
        /// The limit.
        most: u64,
    },
    /// A document that is not what it should be.
    #[error("`{document}` is malformed")]
    Malformed {
        /// Its path, made safe to show.
        document: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A layout of a version that this store does not know.
    #[error("it is a layout of version `{0}`, not 1.0.0")]
    LayoutVersion(String),
    /// A digest that can't be checked.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Other bytes than the ones that were meant.
    #[error("`{blob}` is not what its digest says: {found} instead of {expected}")]
    DigestMismatch {
        /// Its path, made safe to show.
        blob: String,
        /// What the document that names it says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// More or fewer bytes than the ones that were meant.
    #[error("`{blob}` has {found} bytes instead of {expected}")]
    SizeMismatch {
        /// Its path, made safe to show.
        blob: String,
        /// What the document that names it says.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// A kind of layer or document that this store can't read.
    #[error("the media type `{0}` is unknown")]
    UnknownMediaType(String),
    /// None of that reference, or none for this machine.
    #[error("it has no image {0}")]
    NoImage(String),
    /// Several, of which one must be chosen.
    #[error("it has several images: choose one by its reference, of {0}")]
    SeveralImages(String),
    /// It is made for another machine.
    #[error("it is made for {found}, not for {wanted}")]
    WrongPlatform {
        /// Operating system and processor of the image.
        found: String,
        /// Those of this machine.
        wanted: String,
    },
    /// An index that leads to an index, and so on.
    #[error("its indexes lead from one to the next without an end")]
    NestedIndexes,
    /// As many layers as differences, or something is amiss.
    #[error("it lists {layers} layers and {differences} differences")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        differences: usize,
    },
}

impl BundleFault {
    /// There is none that is called so.
    pub(crate) fn no_image(reference: &str) -> Self {
        Self::NoImage(format!("`{}`", shown(reference.as_bytes())))
    }
}

impl From<Stop> for ImportError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Limit(reached) => Self::Limit(reached),
            Stop::CalledOff => Self::CalledOff,
        }
    }
}

impl From<BundleFault> for ImportError {
    fn from(fault: BundleFault) -> Self {
        Self::Bundle(fault)
    }
}

impl From<ArchiveFault> for ImportError {
    fn from(fault: ArchiveFault) -> Self {
        Self::Archive(fault)
    }
}

impl ImportError {
    /// What reading a stream of an archive came to: a limit, an early end, or damage.
    pub(crate) fn of_stream(error: io::Error) -> Self {
        if let Some(stop) = error.get_ref().and_then(|inner| inner.downcast_ref::<Stop>()) {
            return (*stop).into();
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveFault::Truncated.into(),
            _ => ArchiveFault::Damaged(error).into(),
        }
    }
}
