//! What can go wrong when a backend or a sandbox is made: one variant a step.

use std::io;

use mimobox_agent_backend::without_effect;
use mimobox_agent_client::ConnectError;
use mimobox_confine::cgroup::{CgroupError, DiscoverError};
use mimobox_confine::channel::ChannelError;
use mimobox_confine::launch::{EndError, LaunchError, ProgramError};
use mimobox_confine::{Failure, FilterError, IdMapError, Mechanism, MountError, OwnershipError};
use mimobox_sandbox::Error;
use nix::errno::Errno;

/// A backend was not made.
#[derive(Debug, thiserror::Error)]
pub enum NewBackendError {
    /// This user, who is not root, can't make namespaces.
    #[error("failed to start the OS backend: this user may not make user namespaces: {set}")]
    NoNamespaces {
        /// Which setting to change.
        set: &'static str,
        /// What the kernel said.
        source: LaunchError,
    },
    /// The file by which the hosts of this machine agree on users could not be opened.
    #[error("failed to find out which users other hosts have")]
    TakenUsers(#[source] io::Error),
    /// No room for one sandbox's users.
    #[error("failed to start the OS backend: no users are left from {0} on")]
    UserBase(u32),
    /// The agent could not be loaded.
    #[error("failed to load the agent")]
    Agent(#[from] ProgramError),
    /// The system call filters could not be compiled.
    #[error("failed to compile the system call filters")]
    Filters(#[from] FilterError),
    /// This machine's root could not be looked at.
    #[error("failed to look at the host's {path}")]
    HostRoot {
        /// Which part.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The cgroup hierarchies could not be found.
    #[error("failed to find the cgroup hierarchies")]
    Hierarchies(#[from] DiscoverError),
    /// The host's own cgroups could not be made.
    #[error("failed to make the host's cgroups")]
    Groups(#[from] CgroupError),
}

/// A sandbox was not made. What there was of it is gone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("failed to find the image {0}")]
    Image(String),
    #[error("failed to find the volume {0}")]
    Volume(String),
    #[error("failed to accept the mount of volume {0} for writing: it is read-only")]
    ReadOnlyVolume(String),
    #[error("failed to accept the mount target {0}")]
    Target(String),
    #[error("failed to open the image {0}")]
    OpenImage(String, #[source] io::Error),
    #[error("failed to look at a volume")]
    LookAtVolume(#[source] Errno),
    #[error("failed to clone a mount of the host")]
    CloneMount(#[source] MountError),
    #[error("failed to find out where the directory of {0} is")]
    FindDirectory(String, #[source] io::Error),
    #[error("failed to find free users")]
    Users,
    #[error("failed to start the janitor")]
    Janitor(#[from] JanitorError),
    #[error("failed to make a socket pair")]
    SocketPair(#[source] io::Error),
    #[error("failed to make the cgroups")]
    Groups(#[source] CgroupError),
    #[error("failed to start the agent")]
    Launch(#[source] LaunchError),
    #[error("failed to map the sandbox's users")]
    MapUsers(#[source] IdMapError),
    #[error("failed to hand the sandbox's mounts over to its users")]
    HandOver(#[source] OwnershipError),
    #[error("failed to compile the system call filters for volumes")]
    Filters(#[source] FilterError),
    #[error("failed to write the plan")]
    Plan(#[source] ChannelError),
    #[error("failed to send the plan")]
    SendPlan(#[source] Errno),
    #[error("failed to receive the agent's report")]
    ReceiveReport(#[source] io::Error),
    #[error("failed to understand the agent's report")]
    Report(#[source] ChannelError),
    #[error("failed to carry out the plan")]
    Step(#[source] Failure),
    #[error("failed to enforce {0}")]
    NotEnforced(Mechanism),
    #[error("failed to greet the agent")]
    Connect(#[source] ConnectError),
    #[error("failed to finish: the host is shutting down")]
    ShuttingDown,
}

impl From<CreateError> for Error {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Image(_) | CreateError::Volume(_) => Self::NotFound,
            CreateError::ReadOnlyVolume(_) => Self::PermissionDenied,
            CreateError::Target(target) => {
                Self::invalid("mounts", format!("{target:?} is no place for a volume"))
            }
            CreateError::NotEnforced(mechanism) => Self::Unsupported(mechanism.to_string()),
            CreateError::Groups(CgroupError::Unenforceable { mechanism, .. }) => {
                tracing::error!(cause = &error as &dyn std::error::Error, "a limit cannot be enforced");
                Self::Unsupported(mechanism.to_string())
            }
            CreateError::Launch(LaunchError::Clone(Errno::EPERM)) => {
                tracing::error!("this user may not make namespaces: see `mimobox-host doctor`");
                Self::Unsupported(Mechanism::UserNamespace.to_string())
            }
            CreateError::Launch(LaunchError::Clone(Errno::ENOSPC | Errno::EUSERS)) => {
                Self::LimitReached("namespaces".to_owned())
            }
            CreateError::Launch(LaunchError::Clone(Errno::EAGAIN)) => {
                Self::LimitReached("processes of the host".to_owned())
            }
            CreateError::Users => Self::LimitReached("users for sandboxes".to_owned()),
            _ => without_effect(&error),
        }
    }
}

/// The janitor was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JanitorError {
    #[error("failed to make a socket pair")]
    SocketPair(#[source] io::Error),
    #[error("failed to start the program")]
    Launch(#[source] LaunchError),
    #[error("failed to wait until it stands on its own")]
    Detach(#[source] EndError),
}

/// A sandbox was not destroyed whole; the janitor has what is left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DestroyError {
    #[error("failed to let the sandbox's processes go on, so that they can be killed")]
    Thaw(#[source] CgroupError),
    #[error("failed to end the sandbox's processes")]
    End(#[source] EndError),
    #[error("failed to wait until the sandbox's processes have ended")]
    Wait(#[source] io::Error),
    #[error("failed to remove the sandbox's cgroups")]
    Groups(#[source] CgroupError),
}
