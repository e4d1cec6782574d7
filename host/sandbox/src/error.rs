//! What can go wrong, in the words of a caller who can act on it.
//!
//! Nothing here carries a path of the host, an errno text or a backtrace: the cause of a [`Error::Failed`] goes to the
//! operator's log under the id that the caller is given.

use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The answer of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not happen. The variants are those of `error` in `wit/host/types.wit`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A policy or the operator's ceiling refused it.
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
    /// This backend cannot do it; names the operation.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// A quota or a size limit; names it.
    #[error("limit reached: {0}")]
    LimitReached(String),
    /// It took longer than it may.
    #[error("timed out")]
    TimedOut,
    /// The sandbox or the process has ended.
    #[error("gone")]
    Gone,
    /// An earlier failure left the sandbox in an unknown state.
    #[error("poisoned: an earlier failure left the sandbox in an unknown state")]
    Poisoned,
    /// The backend failed; the operator's log has the cause under this id.
    #[error("failed; the operator's log has the cause under {0}")]
    Failed(FailureId),
}

impl Error {
    /// A refusal by a rule.
    pub fn denied(rule: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Denied(Denial { rule: rule.into(), reason: reason.into() })
    }

    /// An [`Error::InvalidArgument`] about `part`.
    pub fn invalid(part: &str, why: impl fmt::Display) -> Self {
        Self::InvalidArgument(format!("{part}: {why}"))
    }

    /// A failure of the backend. Its cause is logged here, at once, under the id that the caller gets.
    pub fn failed(cause: &(dyn StdError + 'static)) -> Self {
        let id = FailureId::next();
        tracing::error!(failure = %id, cause = %Chain(cause), "an operation failed");
        Self::Failed(id)
    }

    /// The error of this crate in an error of a stream; a failure where there is none.
    pub fn from_io(error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            Some(error) => error.clone(),
            None => Self::failed(error),
        }
    }

    /// Whether the sandbox is of unknown state after this error, so that nothing but its destruction makes sense.
    ///
    /// Exhaustive on purpose: a new error forces a decision here.
    pub fn poisons(&self) -> bool {
        match self {
            // The backend did not finish what it began.
            Self::Failed(_) => true,
            Self::Denied(_)
            | Self::InvalidArgument(_)
            | Self::NotFound
            | Self::AlreadyExists
            | Self::NotADirectory
            | Self::IsADirectory
            | Self::DirectoryNotEmpty
            | Self::PermissionDenied
            | Self::Unsupported(_)
            | Self::LimitReached(_)
            | Self::TimedOut
            | Self::Gone
            | Self::Poisoned => false,
        }
    }

    /// A stable name, for programs, the audit log and metrics.
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
        }
    }
}

/// A refusal that a program can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The rule's name: stable, for programs.
    pub rule: String,
    /// One sentence, for people.
    pub reason: String,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied by rule {}: {}", self.rule, self.reason)
    }
}

/// Under which the operator's log keeps the cause of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureId(String);

impl FailureId {
    /// Unique within the host: the time of the process's first failure, then a count.
    fn next() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self(format!("{seconds:x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }
}

impl fmt::Display for FailureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error with all its sources, on one line.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_poisons_and_a_refusal_does_not() {
        assert!(Error::failed(&std::io::Error::other("disk on fire")).poisons());
        assert!(!Error::denied("some-rule", "because").poisons());
    }

    #[test]
    fn a_failure_shows_its_id_and_not_its_cause() {
        let shown = Error::failed(&std::io::Error::other("/secret/path")).to_string();
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn two_failures_have_two_ids() {
        let cause = std::io::Error::other("x");
        assert_ne!(Error::failed(&cause), Error::failed(&cause));
    }
}
