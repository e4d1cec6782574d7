//! What can go wrong with control groups.

use std::io;

use nix::errno::Errno;

use crate::Mechanism;

/// The hierarchies could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// Which hierarchies are mounted is not known.
    #[error("failed to read the mount table")]
    Mounts(#[source] io::Error),
    /// Which controllers version 2 has is not known.
    #[error("failed to read the controllers of {path}")]
    Controllers {
        /// The hierarchy's root.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// An operation on a group failed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A hierarchy's root was not opened.
    #[error("failed to open the hierarchy {path}")]
    Open {
        /// Its root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A group was not made.
    #[error("failed to make the group {name} in {hierarchy}")]
    Create {
        /// Its name.
        name: String,
        /// The hierarchy's root.
        hierarchy: String,
        /// Why.
        source: io::Error,
    },
    /// A group was not marked as a living host's.
    #[error("failed to lock the group {name} in {hierarchy}")]
    Lock {
        /// Its name.
        name: String,
        /// The hierarchy's root.
        hierarchy: String,
        /// Why.
        source: io::Error,
    },
    /// What is to be in force cannot be: the operator may tolerate the mechanism by name.
    #[error("failed to enforce {mechanism}: {why}")]
    Unenforceable {
        /// What.
        mechanism: Mechanism,
        /// Why, and what would help.
        why: String,
    },
    /// A file of a group was not read.
    #[error("failed to read {file}")]
    Read {
        /// Its name.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file of a group was not written.
    #[error("failed to write {file}")]
    Write {
        /// Its name.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file of a group does not hold what it should.
    #[error("failed to understand {file}")]
    Understand {
        /// Its name.
        file: &'static str,
    },
    /// A thread of the host did not get into a sandbox's group.
    #[error("failed to enter a group")]
    Enter(#[source] io::Error),
    /// A thread of the host did not get out of a sandbox's group.
    #[error("failed to leave a group")]
    Leave(#[source] io::Error),
    /// Not all processes stood still in time.
    #[error("failed to stop all processes in time")]
    Freeze,
    /// A group was not removed.
    #[error("failed to remove the group {name}")]
    Remove {
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// No control group of ours can do it; names the operation.
    #[error("failed to find a control group for `{0}`")]
    NoController(&'static str),
}

impl CgroupError {
    /// Whether the host was only short of descriptors or memory.
    pub(super) fn is_of_the_moment(&self) -> bool {
        let (Self::Read { source, .. } | Self::Write { source, .. }) = self else { return false };
        let errno = source.raw_os_error().map(Errno::from_raw);
        matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
    }
}
