//! Files of a sandbox: what may be asked, what comes back, and what a backend must do for it.
//!
//! ```text
//!   Sandbox::read_file ─► ceiling ∩ policies ─► audit ─► Files::read_file ─► FileTask { stream, work }
//!                                                                  supervised until it ends (work.rs)
//!   Reading, Writing, Watching ◄─ the stream, with the operation's end in it
//! ```
//!
//! Paths are absolute, and resolved inside the sandbox by its own kernel's view: a link leads nowhere else.

mod operations;
mod reading;
mod watching;
mod work;
mod writing;

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::Stream;
use serde::Serialize;

use crate::backend::{Input, Output};
use crate::error::Result;
use crate::grant::Authorized;

pub(crate) use operations::Places;
pub use reading::Reading;
pub use watching::Watching;
pub use writing::Writing;

/// Bytes of a regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFile {
    /// Which.
    pub path: String,
    /// Where to begin, in bytes.
    pub offset: u64,
    /// How many bytes at most; to the end where none.
    pub length: Option<u64>,
}

impl ReadFile {
    /// All of a file.
    pub fn whole(path: impl Into<String>) -> Self {
        Self { path: path.into(), offset: 0, length: None }
    }
}

/// New bytes for a file: whole or not at all, unless it appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFile {
    /// Which. Its directory must be there.
    pub path: String,
    /// Permission bits of a new file; those of an old one stay.
    pub mode: u32,
    /// How many bytes will come: fewer or more leave the old file as it was.
    pub length: Option<u64>,
    /// Put the bytes behind those that are there, one after another.
    pub append: bool,
}

impl WriteFile {
    /// A file that its owner may write and everybody read, of as many bytes as come.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), mode: 0o644, length: None, append: false }
    }
}

/// A new directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MakeDirectory {
    /// Where.
    pub path: String,
    /// Make those above it too, and do not mind if it is there.
    pub parents: bool,
}

/// A new name, on the same file system; what goes by it is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// From.
    pub source: String,
    /// To.
    pub target: String,
}

/// An end of a file, a link or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remove {
    /// What.
    pub path: String,
    /// Remove all that is in a directory first; without it, only an empty one goes.
    pub recursive: bool,
}

/// An eye on a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Which.
    pub path: String,
    /// Watch all directories below it too, those to come among them.
    pub recursive: bool,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    SymbolicLink,
    /// A device, a pipe or a socket.
    Other,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// When its bytes last changed.
    pub modified: SystemTime,
}

/// A change that a watch saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Absolute.
    pub path: String,
    /// How it changed.
    pub kind: ChangeKind,
}

/// How a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It was made, or moved here from elsewhere.
    Created,
    /// Its bytes or its permissions changed.
    Modified,
    /// It was removed, or moved away.
    Removed,
    /// It has a new name, which this is.
    Renamed,
}

/// Changes as a backend gives them, in order. Ends when the watched path is gone; an error is the last item.
pub type Changes = Pin<Box<dyn Stream<Item = Result<FileChange>> + Send>>;

/// A backend's operation on files that is under way. Dropping it does nothing: the domain stops what is to be stopped.
pub struct FileTask<S> {
    /// Where its bytes or changes go or come from.
    pub stream: S,
    /// Its end.
    pub work: Arc<dyn Work>,
}

/// The hand on an operation that is under way.
#[async_trait]
pub trait Work: Send + Sync {
    /// What came of it; settles once nothing of it runs. Called once.
    ///
    /// # Errors
    /// Those of the operation. `Gone`: the sandbox ended first, or the operation was stopped.
    async fn ended(&self) -> Result<()>;

    /// Stops it, as if it had never been where it can: a file that was being written stays as it was. `ended` then settles.
    async fn stop(&self) -> Result<()>;
}

/// What a backend does with files, as the sandbox's default user.
///
/// Dropping the future of one before it has answered stops what it began.
///
/// Besides the errors named below, each may fail with `NotFound`, `NotADirectory`, `PermissionDenied`, `InvalidArgument` (a
/// path that makes no sense), `LimitReached`, `Gone` and `Failed`.
#[async_trait]
pub trait Files: Send + Sync {
    /// Begins to read. `IsADirectory`, `InvalidArgument` (not a regular file): at the latest from the task's `work`.
    async fn read_file(&self, grant: Authorized<ReadFile>) -> Result<FileTask<Output>>;

    /// Begins to write. The file is there once the stream was shut down and `work` has ended well. `IsADirectory`,
    /// `InvalidArgument` (wrong length), `LimitReached` (disk): at the latest from the task's `work`.
    async fn write_file(&self, grant: Authorized<WriteFile>) -> Result<FileTask<Input>>;

    /// Looks at one file; at the link itself where the path ends in one.
    async fn file_entry(&self, path: Authorized<String>) -> Result<FileEntry>;

    /// Lists a directory, in no order. `InvalidArgument`: a name is not UTF-8.
    async fn read_directory(&self, path: Authorized<String>) -> Result<Vec<FileEntry>>;

    /// Makes a directory. `AlreadyExists`.
    async fn make_directory(&self, grant: Authorized<MakeDirectory>) -> Result<()>;

    /// Renames. `IsADirectory`, `DirectoryNotEmpty`, `InvalidArgument` (not on the same file system).
    async fn rename(&self, grant: Authorized<Rename>) -> Result<()>;

    /// Removes. `DirectoryNotEmpty`.
    async fn remove(&self, grant: Authorized<Remove>) -> Result<()>;

    /// Watches; every change from the answer on is seen. `LimitReached`: too many directories.
    async fn watch(&self, grant: Authorized<Watch>) -> Result<FileTask<Changes>>;
}
