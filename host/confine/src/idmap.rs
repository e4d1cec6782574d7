//! Users of a sandbox as users of the host: user_namespaces(7).

use std::fs;
use std::io;
use std::path::PathBuf;

/// Users and groups 0 to 65,535 of a sandbox are the host's `base` to `base` + 65,535: of nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The host's number of the sandbox's user and group 0.
    pub base: u32,
}

impl IdRange {
    /// How many users and groups a sandbox has.
    pub const LENGTH: u32 = 65_536;
}

/// A map was not written.
#[derive(Debug, thiserror::Error)]
pub enum IdMapError {
    /// The groups'.
    #[error("failed to map groups ({path})")]
    Groups {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The users'.
    #[error("failed to map users ({path})")]
    Users {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Maps the users and groups of the user namespace of process `pid`. Takes `CAP_SETUID` and `CAP_SETGID` of the host's.
///
/// # Errors
/// Each variant of [`IdMapError`] is a step.
pub fn map_ids(pid: i32, range: IdRange) -> Result<(), IdMapError> {
    let map = format!("0 {} {}", range.base, IdRange::LENGTH);
    let process = PathBuf::from(format!("/proc/{pid}"));
    let path = process.join("gid_map");
    fs::write(&path, &map).map_err(|source| IdMapError::Groups { path, source })?;
    let path = process.join("uid_map");
    fs::write(&path, &map).map_err(|source| IdMapError::Users { path, source })
}
