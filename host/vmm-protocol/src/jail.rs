//! What holds a VMM in, as it reports it before it looks at anything of the guest's.

use serde::{Deserialize, Serialize};

/// One wall of the jail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mechanism {
    /// Its user is an ordinary one, and it is in a user namespace of its own.
    UserNamespace,
    /// Its mounts are its own.
    MountNamespace,
    /// It has no network, not even a loopback interface that is up.
    NetworkNamespace,
    /// System V IPC and POSIX message queues of its own.
    IpcNamespace,
    /// A host name of its own.
    UtsNamespace,
    /// Its root directory is empty and read-only.
    EmptyRoot,
    /// Limits of the process: descriptors, address space, files, core dumps, threads.
    ResourceLimits,
    /// No capability, not even in its own user namespace.
    Capabilities,
    /// No program could gain rights by being executed.
    NoNewPrivileges,
    /// No other process of its user can trace it or read its memory.
    Undumpable,
    /// System calls of the thread that speaks with the host.
    ControlFilter,
    /// System calls of the threads that run the guest.
    VcpuFilter,
    /// System calls of the thread that serves the devices.
    DeviceFilter,
}

impl Mechanism {
    /// Every one, in the order in which they are put up.
    pub const ALL: [Self; 13] = [
        Self::UserNamespace,
        Self::MountNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::EmptyRoot,
        Self::ResourceLimits,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::Undumpable,
        Self::ControlFilter,
        Self::VcpuFilter,
        Self::DeviceFilter,
    ];

    /// Stable name, for programs and configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "vmm-user-namespace",
            Self::MountNamespace => "vmm-mount-namespace",
            Self::NetworkNamespace => "vmm-network-namespace",
            Self::IpcNamespace => "vmm-ipc-namespace",
            Self::UtsNamespace => "vmm-uts-namespace",
            Self::EmptyRoot => "vmm-empty-root",
            Self::ResourceLimits => "vmm-rlimits",
            Self::Capabilities => "vmm-capabilities",
            Self::NoNewPrivileges => "vmm-no-new-privileges",
            Self::Undumpable => "vmm-undumpable",
            Self::ControlFilter => "vmm-control-seccomp",
            Self::VcpuFilter => "vmm-vcpu-seccomp",
            Self::DeviceFilter => "vmm-device-seccomp",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailLine {
    /// Which wall.
    pub mechanism: Mechanism,
    /// It stands. If not, it was tolerated that it doesn't.
    pub in_force: bool,
    /// What it holds exactly, or why it does not stand. For people.
    pub detail: String,
}
