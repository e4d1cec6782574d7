//! An empty root that nobody can write to: pivot_root(2).

use mimobox_confine::{Plan, Step, apply};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use super::walls::chain;

/// Room for the root directory itself, which nothing is ever put into.
const BYTES: u64 = 4096;
const INODES: u64 = 2;

/// The root was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootError {
    #[error("failed to enter an empty root")]
    Enter(#[source] mimobox_confine::Failure),
    #[error("failed to make the root read-only")]
    ReadOnly(#[source] Errno),
}

impl RootError {
    /// With its cause.
    pub(super) fn chain(&self) -> String {
        chain(self)
    }
}

/// Makes an empty directory the root and lets go of all of the host's mounts. In a mount namespace of its own.
pub(super) fn enter_empty() -> Result<(), RootError> {
    let steps = vec![
        Step::HostName("microvm".to_owned()),
        Step::Root { bytes: BYTES, inodes: INODES },
        Step::EnterRoot,
    ];
    let applied = apply(&Plan { steps }, Vec::new());
    if let Some(failure) = applied.report.failure {
        return Err(RootError::Enter(failure));
    }
    let flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC;
    let none: Option<&str> = None;
    mount(none, "/", none, flags, none).map_err(RootError::ReadOnly)
}
