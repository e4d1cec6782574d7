//! What a microVM is told before it serves: everything in which one restored copy of a machine differs from the next.
//!
//! ```text
//!   host                              agent, pid 1 of the guest
//!     SetUp            ──────────►    clock, entropy, name, root, volumes, limits
//!                      ◄──────────    SetUpAnswer: then both go on with Hello, as in any sandbox
//! ```

use serde::{Deserialize, Serialize};

/// What a machine says on its console, as a line of its own, once its host may connect: the moment to keep as a template.
pub const MACHINE_READY: &str = "mimobox-agent: ready";

/// Bytes of entropy that a machine is given: as many as the kernel's generator has of state.
pub const ENTROPY: usize = 32;

/// Most volumes of one machine.
pub const MAX_VOLUMES: usize = 24;

/// The first frame on a machine's control connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUp {
    /// What the clock is to say: seconds since the Unix epoch.
    pub clock_seconds: u64,
    /// And nanoseconds of that second.
    pub clock_nanoseconds: u32,
    /// Fresh from the host's own generator, for this machine alone. Copies of one saved machine would otherwise draw the
    /// same numbers.
    pub entropy: [u8; ENTROPY],
    /// The host name: sethostname(2).
    pub host_name: String,
    /// What the root file system is laid over.
    pub root: MachineRoot,
    /// Bytes that what is written over the root may take. They are the guest's memory.
    pub writable: u64,
    /// What to show besides, read-only.
    pub volumes: Vec<MachineVolume>,
    /// Processes and threads that may be there at once, those of the agent among them.
    pub processes: u32,
}

/// What a machine's root is laid over. Disks are numbered in the order of their devices: 0 is `/dev/vda`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MachineRoot {
    /// The base image, from which the machine has started.
    Base,
    /// The image on this disk.
    Disk(u8),
}

/// A disk to be mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineVolume {
    /// Which.
    pub disk: u8,
    /// Where: absolute, made if it is missing.
    pub path: String,
}

/// What came of a [`SetUp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetUpAnswer {
    /// The machine is ready to serve.
    Done,
    /// It is not, and goes off once the host has closed the connection.
    Failed(SetUpFailure),
}

/// Why a machine could not be set up. What its kernel said is on its console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SetUpFailure {
    /// The frame is none, or from another version than the agent's.
    #[error("failed to understand how the machine is to be set up")]
    NotUnderstood,
    /// There is no such disk, a path is not absolute and plain, or there are too many volumes.
    #[error("failed to accept how the machine is to be set up")]
    Invalid,
    /// The clock.
    #[error("failed to set the machine's clock")]
    Clock,
    /// The entropy.
    #[error("failed to seed the machine's random numbers")]
    Entropy,
    /// The host name.
    #[error("failed to set the machine's name")]
    HostName,
    /// The disk of the image holds no file system that the guest can read.
    #[error("failed to mount the machine's image")]
    Image,
    /// The overlay, or what is made in it.
    #[error("failed to make the machine's root")]
    Root,
    /// A volume, by its place in the list, from 0.
    #[error("failed to mount the machine's volume {0}")]
    Volume(u8),
    /// The limit on processes.
    #[error("failed to limit the machine's processes")]
    Processes,
    /// The agent itself.
    #[error("failed to let the machine's agent begin")]
    Agent,
}

/// What a machine uses, as its kernel counts: sysinfo(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineUsage {
    /// Processes and threads, the kernel's own left out.
    pub processes: u32,
    /// Bytes of memory that the guest's kernel manages.
    pub memory: u64,
    /// Bytes of it that nothing is kept in, not even for speed.
    pub free: u64,
}

/// Why there is no [`MachineUsage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum UsageFailure {
    /// The sandbox is no machine: its kernel is the host's, and counts what is the host's.
    #[error("failed to measure the sandbox from inside: it is no machine of its own")]
    NotAMachine,
    /// The kernel does not say. The number is for the operator's log, never for a guest.
    #[error("failed to measure the machine: errno {0}")]
    Failed(i32),
}

/// Without the entropy: whoever knows it knows the machine's secrets.
impl std::fmt::Debug for SetUp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SetUp")
            .field("host_name", &self.host_name)
            .field("root", &self.root)
            .field("writable", &self.writable)
            .field("volumes", &self.volumes)
            .field("processes", &self.processes)
            .finish_non_exhaustive()
    }
}
