//! What can go wrong with a snapshot's file, and what the domain's caller is told of it.

use std::io;

use mimobox_sandbox::Error;
use rustix::io::Errno;

/// Which check some bytes fail that should be a snapshot. Each is shown to whoever brought them.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It begins otherwise.
    #[error("not a snapshot")]
    NotASnapshot,
    /// It was made by a newer host.
    #[error("its format is of version {0}, which is newer than this host's")]
    Newer(u32),
    /// No host ever wrote this.
    #[error("its format is of version {0}, which there never was")]
    NoSuchVersion(u32),
    /// The header does not match its own checksum.
    #[error("its header is damaged")]
    DamagedHeader,
    /// The header is intact and means nothing.
    #[error("its header has a {0} that has no meaning")]
    Senseless(&'static str),
    /// It was taken on another kind of machine.
    #[error("it is from a machine of architecture {0}, not of this one's")]
    Foreign(String),
    /// A part that this host does not know: going on without it would bring back something else.
    #[error("it has a section {0:?}, which this host does not know")]
    UnknownSection(String),
    /// A part that belongs elsewhere, or overlaps another.
    #[error("its sections are not in their order")]
    Misplaced,
    /// It ends before the lengths in its header say.
    #[error("it is truncated")]
    Truncated,
    /// It goes on after the lengths in its header say.
    #[error("something follows its end")]
    Trailing,
    /// A part does not match its digest.
    #[error("its {0} is damaged")]
    Damaged(&'static str),
    /// The record is longer than any can be.
    #[error("its record is oversized")]
    OversizedRecord,
    /// The record cannot be read.
    #[error("its record makes no sense")]
    Record(#[source] serde_json::Error),
    /// The record says something else than the header.
    #[error("its record contradicts its header")]
    Contradiction,
    /// What stands in the image's place is no name.
    #[error("its record names no image")]
    Image,
}

/// One step of the store that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("snapshot: {0}")]
    Format(#[from] FormatError),
    #[error("no such snapshot")]
    NotFound,
    #[error("the snapshot store has reached its limit of {0}")]
    Limit(&'static str),
    #[error("snapshots with memory")]
    Memory,
    #[error("failed to encode a snapshot's record")]
    Encode(#[source] serde_json::Error),
    #[error("failed to draw a snapshot's id")]
    Draw(#[source] io::Error),
    #[error("failed to lock the snapshot store")]
    Lock(#[source] io::Error),
    #[error("failed to list the snapshot store")]
    List(#[source] io::Error),
    #[error("failed to make a file in the snapshot store")]
    Make(#[source] io::Error),
    #[error("failed to write a snapshot")]
    Write(#[source] io::Error),
    #[error("failed to bring a snapshot to the disk")]
    Sync(#[source] io::Error),
    #[error("failed to give a snapshot its name")]
    Name(#[source] io::Error),
    #[error("failed to open a snapshot")]
    Open(#[source] io::Error),
    #[error("failed to read a snapshot")]
    Read(#[source] io::Error),
    #[error("failed to delete a snapshot")]
    Delete(#[source] io::Error),
    #[error("failed to write a snapshot earlier")]
    Broken,
    #[error("failed to finish work on the snapshot store")]
    Task(#[source] tokio::task::JoinError),
    /// From whoever gave the bytes: said as it came.
    #[error(transparent)]
    Domain(#[from] Error),
}

impl StoreError {
    fn cause(&self) -> Option<&io::Error> {
        match self {
            Self::Draw(error)
            | Self::Lock(error)
            | Self::List(error)
            | Self::Make(error)
            | Self::Write(error)
            | Self::Sync(error)
            | Self::Name(error)
            | Self::Open(error)
            | Self::Read(error)
            | Self::Delete(error) => Some(error),
            Self::Format(_)
            | Self::NotFound
            | Self::Limit(_)
            | Self::Memory
            | Self::Encode(_)
            | Self::Broken
            | Self::Task(_)
            | Self::Domain(_) => None,
        }
    }

    /// What there is too little of, where that is what is wrong.
    fn lacks(&self) -> Option<&'static str> {
        match Errno::from_io_error(self.cause()?)? {
            Errno::NOSPC | Errno::DQUOT => Some("disk"),
            Errno::MFILE | Errno::NFILE => Some("descriptors of the host"),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if let Some(what) = error.lacks() {
            return Self::LimitReached(what.into());
        }
        match error {
            StoreError::Format(format) => Self::invalid("snapshot", format),
            StoreError::NotFound => Self::NotFound,
            StoreError::Limit(what) => Self::LimitReached(what.into()),
            StoreError::Memory => Self::Unsupported(StoreError::Memory.to_string()),
            StoreError::Domain(error) => error,
            other => Self::failed(&other),
        }
    }
}

/// Puts the domain's error into a stream's, from where [`Error::from_io`] takes it out again.
pub(crate) fn in_stream(error: StoreError) -> io::Error {
    io::Error::other(Error::from(error))
}
