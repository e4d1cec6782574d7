//! What the agent is to do to itself, in order, before it serves: data only.
//!
//! The host writes it (`backend-os`), the agent carries it out ([`apply`](crate::apply)). Paths that a step makes are absolute
//! *in the sandbox*; sources are paths of the host. Nothing in a plan comes from a sandboxed program.

use serde::{Deserialize, Serialize};

use crate::landlock::PathRule;
use crate::rlimit::ResourceLimit;
use crate::seccomp::Filter;

/// The steps, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Carried out one after another; the first failure ends it.
    pub steps: Vec<Step>,
}

/// Who owns what a step makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// User, as the sandbox numbers it.
    pub user: u32,
    /// Group, as the sandbox numbers it.
    pub group: u32,
}

/// A user or group that an image is to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The list: `/etc/passwd` or `/etc/group`.
    pub path: String,
    /// Its line: passwd(5), group(5).
    pub line: String,
}

/// What of `/proc` is kept away, as container runtimes do. Names that the kernel does not have are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masks {
    /// Files that read as empty: `kcore`.
    pub files: Vec<String>,
    /// Directories that look empty: `irq`.
    pub directories: Vec<String>,
    /// Directories that stay but cannot be written, whoever asks: `sys`.
    pub read_only: Vec<String>,
}

/// One step. The order of variants is the wire format; host and agent are built together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Replace a directory that came with the plan by a mount of it, from this process's own copy of the host's mounts: where
    /// the host has no right to clone its own. Comes first, as the host's user, whom others' directories may let in.
    CloneMount {
        /// Its place among the descriptors, and then the mount's.
        descriptor: u16,
        /// Path of the host, at which that directory must still be.
        source: String,
        /// Whether it may be written to.
        writable: bool,
    },
    /// Become user and group 0 of the own user namespace, whose map the host has written by now.
    BecomeRoot,
    /// Set the host name.
    HostName(String),
    /// Make the present cgroup look like the root.
    CgroupNamespace,
    /// Bring up the loopback interface.
    Loopback,
    /// Mount an empty root that can take so much; later steps fill it.
    Root {
        /// Bytes that all files in it may hold together.
        bytes: u64,
        /// Files, directories and links that it may hold.
        inodes: u64,
    },
    /// Make a directory.
    Directory {
        /// Where. Its parents must be there.
        path: String,
        /// Permission bits.
        mode: u32,
        /// Whose.
        owner: Owner,
    },
    /// Make a file that everybody may read.
    File {
        /// Where.
        path: String,
        /// What it holds.
        contents: Vec<u8>,
    },
    /// Make a symbolic link.
    Link {
        /// Where.
        path: String,
        /// What it says.
        target: String,
    },
    /// Show a file or directory of the host, with all that is mounted below it, read-only, without devices and without
    /// set-user-ID programs.
    Show {
        /// Path of the host.
        source: String,
        /// Where. Made by this step.
        path: String,
    },
    /// Show a device of the host.
    Device {
        /// Path of the host.
        source: String,
        /// Where. Made by this step.
        path: String,
    },
    /// Attach a mount that the host has made ready and sent along. Its directory is made by this step, and its parents.
    Volume {
        /// Place among the descriptors that came with the plan.
        descriptor: u16,
        /// Where.
        path: String,
    },
    /// Mount `/proc` of the own pid namespace. After the devices: masks are made of `/dev/null`.
    Processes(Masks),
    /// Mount `/dev/pts`: terminals of its own.
    Terminals {
        /// Whose group they are, as the sandbox numbers it.
        group: u32,
    },
    /// Lay the image over the root so far, of which `/dev` and `/proc` stay. Later steps make what they make in there.
    Image {
        /// Place of the image's mount among the descriptors that came with the plan.
        descriptor: u16,
    },
    /// Make a directory, and its parents, unless the image has it.
    Ensure {
        /// Where.
        path: String,
        /// Permission bits.
        mode: u32,
        /// Whose.
        owner: Owner,
    },
    /// Make a file that everybody may read, in the place of the image's.
    Replace {
        /// Where.
        path: String,
        /// What it holds.
        contents: Vec<u8>,
    },
    /// Let the image know a user or group, unless its name or number is taken.
    Account(Account),
    /// Make the new root the root, and let go of the host's.
    EnterRoot,
    /// Limits of this and every later process.
    ResourceLimits(Vec<ResourceLimit>),
    /// Keep only what switching users and signalling them needs.
    Capabilities,
    /// No program gains rights by being executed.
    NoNewPrivileges,
    /// Rules for files; signals and abstract sockets stay inside. Paths are the sandbox's.
    Landlock(Vec<PathRule>),
    /// System call filters, in order. Of answers that are equally strict the last filter's counts.
    Seccomp(Vec<Filter>),
}

impl Step {
    /// What an error message calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CloneMount { .. } => "clone-mount",
            Self::BecomeRoot => "become-root",
            Self::HostName(_) => "host-name",
            Self::CgroupNamespace => "cgroup-namespace",
            Self::Loopback => "loopback",
            Self::Root { .. } => "root",
            Self::Directory { .. } => "directory",
            Self::File { .. } => "file",
            Self::Link { .. } => "link",
            Self::Show { .. } => "show",
            Self::Device { .. } => "device",
            Self::Volume { .. } => "volume",
            Self::Processes(_) => "processes",
            Self::Terminals { .. } => "terminals",
            Self::Image { .. } => "image",
            Self::Ensure { .. } => "ensure",
            Self::Replace { .. } => "replace",
            Self::Account(_) => "account",
            Self::EnterRoot => "enter-root",
            Self::ResourceLimits(_) => "resource-limits",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Landlock(_) => "landlock",
            Self::Seccomp(_) => "seccomp",
        }
    }
}
