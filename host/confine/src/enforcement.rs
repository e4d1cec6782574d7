//! How far each mechanism is in force: the lines of the report that the operator sees.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What holds a sandbox in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mechanism {
    /// Its users are none of the host's.
    UserNamespace,
    /// It sees and signals only its own processes.
    PidNamespace,
    /// Its mounts are its own.
    MountNamespace,
    /// It has a loopback interface of its own and no other.
    NetworkNamespace,
    /// System V IPC and POSIX message queues of its own.
    IpcNamespace,
    /// A host name of its own.
    UtsNamespace,
    /// Its own cgroup looks like the root of all.
    CgroupNamespace,
    /// Its root holds what the plan put there, nothing else.
    RootFilesystem,
    /// Its volumes' files are its user's own.
    Volumes,
    /// Bytes that it can write.
    DiskLimit,
    /// Bytes of memory.
    MemoryLimit,
    /// Processes and threads at once.
    ProcessesLimit,
    /// Share of processor time.
    CpuLimit,
    /// Stopping all of it at once.
    Freezer,
    /// Limits of each single process.
    ResourceLimits,
    /// What its root user can do: switch users and signal them.
    Capabilities,
    /// No program gains rights by being executed.
    NoNewPrivileges,
    /// Which files may be read, written and executed, whatever their permissions.
    Landlock,
    /// Landlock's rules for TCP.
    LandlockTcp,
    /// Which system calls there are.
    Seccomp,
}

impl Mechanism {
    /// Every one, in the order of the report.
    pub const ALL: [Self; 20] = [
        Self::UserNamespace,
        Self::PidNamespace,
        Self::MountNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::CgroupNamespace,
        Self::RootFilesystem,
        Self::Volumes,
        Self::DiskLimit,
        Self::MemoryLimit,
        Self::ProcessesLimit,
        Self::CpuLimit,
        Self::Freezer,
        Self::ResourceLimits,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::Landlock,
        Self::LandlockTcp,
        Self::Seccomp,
    ];

    /// Stable name, for programs and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user-namespace",
            Self::PidNamespace => "pid-namespace",
            Self::MountNamespace => "mount-namespace",
            Self::NetworkNamespace => "network-namespace",
            Self::IpcNamespace => "ipc-namespace",
            Self::UtsNamespace => "uts-namespace",
            Self::CgroupNamespace => "cgroup-namespace",
            Self::RootFilesystem => "root-filesystem",
            Self::Volumes => "volumes",
            Self::DiskLimit => "disk-limit",
            Self::MemoryLimit => "memory-limit",
            Self::ProcessesLimit => "processes-limit",
            Self::CpuLimit => "cpu-limit",
            Self::Freezer => "freezer",
            Self::ResourceLimits => "rlimits",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Landlock => "landlock",
            Self::LandlockTcp => "landlock-tcp",
            Self::Seccomp => "seccomp",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// All that was asked for.
    Enforced,
    /// A part; the detail says what is missing.
    Partial,
    /// Nothing.
    Absent,
    /// Nobody asked; the detail says why not.
    NotRequested,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforcement {
    /// Of what.
    pub mechanism: Mechanism,
    /// How far.
    pub status: Status,
    /// The kernel's version of it, or what is missing. For people.
    pub detail: String,
}

impl Enforcement {
    /// In force as asked for.
    pub fn enforced(mechanism: Mechanism, detail: impl Into<String>) -> Self {
        Self { mechanism, status: Status::Enforced, detail: detail.into() }
    }

    /// In force in part; `detail` says what is missing.
    pub fn partial(mechanism: Mechanism, detail: impl Into<String>) -> Self {
        Self { mechanism, status: Status::Partial, detail: detail.into() }
    }

    /// Not in force at all.
    pub fn absent(mechanism: Mechanism, detail: impl Into<String>) -> Self {
        Self { mechanism, status: Status::Absent, detail: detail.into() }
    }

    /// Not asked for; `detail` says why not.
    pub fn not_requested(mechanism: Mechanism, detail: impl Into<String>) -> Self {
        Self { mechanism, status: Status::NotRequested, detail: detail.into() }
    }
}
