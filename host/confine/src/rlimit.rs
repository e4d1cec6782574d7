//! Limits of each single process: getrlimit(2).

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::enforcement::{Enforcement, Mechanism};

/// A limit, soft and hard, that every process of a sandbox is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResourceLimit {
    /// Bytes of a core file.
    CoreSize(u64),
    /// Bytes of private memory that one process can write to.
    Data(u64),
    /// Bytes of locked memory.
    LockedMemory(u64),
    /// Bytes in POSIX message queues, of one user.
    MessageQueues(u64),
    /// Open descriptors of one process.
    OpenFiles(u64),
    /// Processes and threads at once, of one user of the sandbox's.
    Processes(u64),
    /// Signals that wait, of one user.
    PendingSignals(u64),
    /// Highest real-time priority.
    RealTimePriority(u64),
}

/// A limit was not set.
#[derive(Debug, thiserror::Error)]
pub enum ResourceLimitError {
    /// The present one could not be read.
    #[error("failed to read the limit {0:?}")]
    Get(ResourceLimit, #[source] Errno),
    /// The new one was refused.
    #[error("failed to set the limit {0:?}")]
    Set(ResourceLimit, #[source] Errno),
}

/// Sets each limit, or the one that the host is under itself where that is lower.
pub(crate) fn set(limits: &[ResourceLimit]) -> Result<Enforcement, ResourceLimitError> {
    for &limit in limits {
        let (resource, value) = match limit {
            ResourceLimit::CoreSize(value) => (Resource::RLIMIT_CORE, value),
            ResourceLimit::Data(value) => (Resource::RLIMIT_DATA, value),
            ResourceLimit::LockedMemory(value) => (Resource::RLIMIT_MEMLOCK, value),
            ResourceLimit::MessageQueues(value) => (Resource::RLIMIT_MSGQUEUE, value),
            ResourceLimit::OpenFiles(value) => (Resource::RLIMIT_NOFILE, value),
            ResourceLimit::Processes(value) => (Resource::RLIMIT_NPROC, value),
            ResourceLimit::PendingSignals(value) => (Resource::RLIMIT_SIGPENDING, value),
            ResourceLimit::RealTimePriority(value) => (Resource::RLIMIT_RTPRIO, value),
        };
        let (_, hard) = getrlimit(resource).map_err(|source| ResourceLimitError::Get(limit, source))?;
        let value = value.min(hard);
        setrlimit(resource, value, value).map_err(|source| ResourceLimitError::Set(limit, source))?;
    }
    Ok(Enforcement::enforced(Mechanism::ResourceLimits, format!("{} limits", limits.len())))
}
