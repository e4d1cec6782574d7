//! What can go wrong when a backend or a microVM is made: one variant a step.

use std::io;

use mimobox_agent_backend::without_effect;
use mimobox_agent_client::ConnectError;
use mimobox_confine::cgroup::{CgroupError, DiscoverError};
use mimobox_confine::launch::{EndError, LaunchError, ProgramError};
use mimobox_erofs::{TreeError, WriteError};
use mimobox_sandbox::Error;
use mimobox_vmm_protocol::{Failure, ProbeFailure};
use rustix::io::Errno;

use crate::control::ControlError;
use crate::shape::LEAST_MEMORY;
use crate::template::TemplateError;

/// A backend was not made.
#[derive(Debug, thiserror::Error)]
pub enum NewBackendError {
    /// No KVM, or none for this user.
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// The VMM's program could not be loaded.
    #[error("failed to load the VMM")]
    Vmm(#[from] ProgramError),
    /// What cannot be read cannot be started either.
    #[error("failed to read {what}")]
    Read {
        /// The kernel or the base image.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The folder for templates.
    #[error("failed to open the folder for microVMs' templates {path}", path = .path.display())]
    Cache {
        /// Which.
        path: std::path::PathBuf,
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

/// This machine, or this user, has no KVM.
#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    /// There is no `/dev/kvm`.
    #[error(
        "failed to open /dev/kvm: it is not there; enable virtualization in the firmware, or nested virtualization for this \
         machine, and load the module kvm_intel or kvm_amd"
    )]
    Absent,
    /// This user may not open it.
    #[error("failed to open /dev/kvm: this user may not; add the user to the group `kvm` and log in again")]
    Denied,
    /// Something else.
    #[error("failed to open /dev/kvm")]
    Open(#[source] Errno),
    /// The VMM that should try it was not started, or did not answer.
    #[error("failed to try KVM: {0}")]
    NoAnswer(String),
    /// It was tried, and nothing runs.
    #[error(transparent)]
    Probe(#[from] ProbeFailure),
}

/// A microVM was not made. What there was of it is gone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("failed to find the image {0}")]
    Image(String),
    #[error("failed to open the disk of the image {0}")]
    OpenImage(String, #[source] io::Error),
    #[error("failed to find the volume {0}")]
    Volume(String),
    #[error("failed to accept the mount of volume {0} for writing")]
    WritableVolume(String),
    #[error("failed to read the volume {0}")]
    ReadVolume(String, #[source] TreeError),
    #[error("failed to make a disk of the volume {0}")]
    WriteVolume(String, #[source] WriteError),
    #[error("failed to make a file for a volume's disk")]
    VolumeFile(#[source] Errno),
    #[error("failed to accept so little memory: {LEAST_MEMORY} bytes are the least")]
    LittleMemory,
    #[error("failed to accept so many disks")]
    Disks,
    #[error(transparent)]
    Kvm(#[from] KvmError),
    #[error("failed to get a machine to start from")]
    Template(#[from] TemplateError),
    #[error("failed to start the VMM")]
    Vmm(#[from] VmmError),
    #[error("failed to draw random numbers")]
    Entropy(#[source] Errno),
    #[error("failed to greet the machine's agent; its console said last: {said}")]
    Connect { said: String, source: ConnectError },
    #[error("failed to finish: the host is shutting down")]
    ShuttingDown,
}

/// A VMM was not started, or did not become the machine that it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VmmError {
    #[error("failed to make the VMM's cgroups")]
    Groups(#[source] CgroupError),
    #[error("failed to launch the VMM")]
    Launch(#[source] LaunchError),
    #[error("failed to make a socket or pipe for the VMM")]
    Pair(#[source] Errno),
    #[error("failed to watch the VMM")]
    Watch(#[source] io::Error),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("failed to become that machine")]
    Refused(#[source] Failure),
    #[error("failed to make sense of the VMM's answer")]
    Unexpected,
    #[error("failed to finish: the host is shutting down")]
    ShuttingDown,
}

/// A microVM was not destroyed whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DestroyError {
    #[error("failed to end the VMM")]
    End(#[source] EndError),
    #[error("failed to remove the VMM's cgroups")]
    Groups(#[source] CgroupError),
}

impl From<CreateError> for Error {
    fn from(error: CreateError) -> Self {
        match &error {
            CreateError::Image(_) | CreateError::Volume(_) => Self::NotFound,
            // The guest would write to an image that the host made of the directory, and nobody would see it.
            CreateError::WritableVolume(_) => {
                Self::Unsupported("writable volumes of micro-vm sandboxes".to_owned())
            }
            CreateError::LittleMemory => {
                Self::invalid("memory", format!("a microVM has {LEAST_MEMORY} bytes at the least"))
            }
            CreateError::Disks => Self::LimitReached("volumes".to_owned()),
            CreateError::Kvm(error) => {
                tracing::error!(cause = error as &dyn std::error::Error, "this machine makes no microVMs");
                Self::Unsupported("kvm".to_owned())
            }
            CreateError::Vmm(VmmError::Groups(CgroupError::Unenforceable { mechanism, .. })) => {
                tracing::error!(cause = &error as &dyn std::error::Error, "a limit cannot be enforced");
                Self::Unsupported(mechanism.to_string())
            }
            CreateError::Vmm(VmmError::Refused(Failure::Jail { mechanism, .. })) => {
                tracing::error!(cause = &error as &dyn std::error::Error, "the VMM cannot be jailed");
                Self::Unsupported(mechanism.name().to_owned())
            }
            CreateError::Vmm(VmmError::Launch(LaunchError::Clone(nix_errno)))
                if *nix_errno as i32 == Errno::AGAIN.raw_os_error() =>
            {
                Self::LimitReached("processes of the host".to_owned())
            }
            _ => without_effect(&error),
        }
    }
}
