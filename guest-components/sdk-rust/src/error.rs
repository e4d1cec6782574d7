//! Why an operation did not happen.

use std::fmt;

use crate::bindings::mimobox::host::types;

/// What the operations of this crate give back.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not happen. It tells nothing of the host: the operator's log does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A policy, or the operator's ceiling, refused it.
    Denied {
        /// The rule's name: stable, for programs.
        rule: String,
        /// One sentence, for people.
        reason: String,
    },
    /// The request makes no sense; says which part and why.
    InvalidArgument(String),
    /// There is no such file, program, process, snapshot, image or volume.
    NotFound,
    /// There is already something of that name.
    AlreadyExists,
    /// A part of the path is no directory.
    NotADirectory,
    /// The path names a directory.
    IsADirectory,
    /// The directory holds something.
    DirectoryNotEmpty,
    /// The file's permissions forbid it.
    PermissionDenied,
    /// This backend cannot do it; names the operation.
    Unsupported(String),
    /// A quota or size limit; names it.
    LimitReached(String),
    /// It took longer than it may.
    TimedOut,
    /// The sandbox or process has ended, or the other end of a stream was closed.
    Gone,
    /// An earlier failure left the sandbox in an unknown state: restore it or drop it.
    Poisoned,
    /// The backend failed. The operator's log has the cause under this id.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { rule, reason } if reason.is_empty() => write!(f, "denied by rule {rule}"),
            Self::Denied { rule, reason } => write!(f, "denied by rule {rule}: {reason}"),
            Self::InvalidArgument(what) => write!(f, "invalid argument: {what}"),
            Self::NotFound => f.write_str("not found"),
            Self::AlreadyExists => f.write_str("already exists"),
            Self::NotADirectory => f.write_str("not a directory"),
            Self::IsADirectory => f.write_str("is a directory"),
            Self::DirectoryNotEmpty => f.write_str("directory not empty"),
            Self::PermissionDenied => f.write_str("permission denied"),
            Self::Unsupported(operation) => write!(f, "this backend cannot do {operation}"),
            Self::LimitReached(limit) => write!(f, "limit reached: {limit}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Gone => f.write_str("gone"),
            Self::Poisoned => f.write_str("the sandbox is in an unknown state"),
            Self::Failed(id) => write!(f, "failed; the operator's log has the cause under {id}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Denied(types::Denial { rule, reason }) => Self::Denied { rule, reason },
            types::Error::InvalidArgument(what) => Self::InvalidArgument(what),
            types::Error::NotFound => Self::NotFound,
            types::Error::AlreadyExists => Self::AlreadyExists,
            types::Error::NotADirectory => Self::NotADirectory,
            types::Error::IsADirectory => Self::IsADirectory,
            types::Error::DirectoryNotEmpty => Self::DirectoryNotEmpty,
            types::Error::PermissionDenied => Self::PermissionDenied,
            types::Error::Unsupported(operation) => Self::Unsupported(operation),
            types::Error::LimitReached(limit) => Self::LimitReached(limit),
            types::Error::TimedOut => Self::TimedOut,
            types::Error::Gone => Self::Gone,
            types::Error::Poisoned => Self::Poisoned,
            types::Error::Failed(id) => Self::Failed(id),
        }
    }
}
