//! What can go wrong, each with a stable code.

use std::io;
use std::path::{Path, PathBuf};

use mimobox_sandbox::{Denial, FailureId};

use crate::host::StartHostError;

/// The answer of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A policy or the host's ceiling refused it.
    #[error("{0}")]
    Denied(Denial),
    /// The request makes no sense: which part, and why.
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// No such program, file, process, image or sandbox.
    #[error("not found")]
    NotFound,
    /// What should be made is there already.
    #[error("already exists")]
    AlreadyExists,
    /// A part of the path is not a directory.
    #[error("not a directory")]
    NotADirectory,
    /// A directory, where a file was asked for.
    #[error("is a directory")]
    IsADirectory,
    /// A directory that still holds something.
    #[error("directory not empty")]
    DirectoryNotEmpty,
    /// The sandbox's own permissions forbid it, such as a program without its executable bit.
    #[error("permission denied")]
    PermissionDenied,
    /// This host cannot do it: what.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// A quota or a size limit: which.
    #[error("limit reached: {0}")]
    LimitReached(String),
    /// It took longer than it may.
    #[error("timed out")]
    TimedOut,
    /// The sandbox or the process has ended.
    #[error("gone")]
    Gone,
    /// An earlier failure left the sandbox in an unknown state: only destroying it makes sense.
    #[error("poisoned: an earlier failure left the sandbox in an unknown state")]
    Poisoned,
    /// The backend failed. Its cause went to `tracing` as an error, under this id.
    #[error("failed; the log has the cause under {0}")]
    Failed(FailureId),
    /// A file of this machine's, outside of any sandbox, could not be opened or written.
    #[error("failed to use the file {path}", path = .path.display())]
    File {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No host could be started on this machine.
    #[error("failed to start a sandbox host")]
    Host(#[from] StartHostError),
    /// A call of [`blocking`](crate::blocking) from within an async runtime, which it would hold up. Nothing was done.
    #[error(
        "a blocking call within an async runtime: call it from a plain thread, or use the async interface"
    )]
    WithinRuntime,
    /// The threads of [`blocking`](crate::blocking) could not be started.
    #[error("failed to start the threads of the blocking interface")]
    Threads(#[source] io::Error),
}

impl Error {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    /// A stable name, for programs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::InvalidArgument(_) => "invalid-argument",
            Self::NotFound => "not-found",
            Self::AlreadyExists => "already-exists",
            Self::NotADirectory => "not-a-directory",
            Self::IsADirectory => "is-a-directory",
            Self::DirectoryNotEmpty => "directory-not-empty",
            Self::PermissionDenied => "permission-denied",
            Self::Unsupported(_) => "unsupported",
            Self::LimitReached(_) => "limit-reached",
            Self::TimedOut => "timed-out",
            Self::Gone => "gone",
            Self::Poisoned => "poisoned",
            Self::Failed(_) => "failed",
            Self::File { .. } => "file",
            Self::Host(_) => "no-host",
            Self::WithinRuntime => "within-runtime",
            Self::Threads(_) => "no-threads",
        }
    }
}

impl From<mimobox_sandbox::Error> for Error {
    fn from(error: mimobox_sandbox::Error) -> Self {
        use mimobox_sandbox::Error as Domain;
        match error {
            Domain::Denied(denial) => Self::Denied(denial),
            Domain::InvalidArgument(why) => Self::InvalidArgument(why),
            Domain::NotFound => Self::NotFound,
            Domain::AlreadyExists => Self::AlreadyExists,
            Domain::NotADirectory => Self::NotADirectory,
            Domain::IsADirectory => Self::IsADirectory,
            Domain::DirectoryNotEmpty => Self::DirectoryNotEmpty,
            Domain::PermissionDenied => Self::PermissionDenied,
            Domain::Unsupported(what) => Self::Unsupported(what),
            Domain::LimitReached(which) => Self::LimitReached(which),
            Domain::TimedOut => Self::TimedOut,
            Domain::Gone => Self::Gone,
            Domain::Poisoned => Self::Poisoned,
            Domain::Failed(id) => Self::Failed(id),
        }
    }
}

/// The error of an operation in the error of its stream.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        mimobox_sandbox::Error::from_io(&error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_here_and_in_the_audit_log() {
        let domain = [
            mimobox_sandbox::Error::denied("rule", "reason"),
            mimobox_sandbox::Error::NotFound,
            mimobox_sandbox::Error::TimedOut,
            mimobox_sandbox::Error::failed(&io::Error::other("x")),
        ];
        for error in domain {
            assert_eq!(Error::from(error.clone()).code(), error.code());
        }
    }
}
