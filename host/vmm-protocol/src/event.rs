//! Requests of the host, and what the VMM tells it.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::failure::Failure;
use crate::jail::JailLine;
use crate::probe::{Probe, ProbeFailure};

/// What the host asks. The picture in the crate's documentation says when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "one of them a packet, on the stack")]
pub enum Request {
    /// Become this microVM. The first request, and only that. Comes with descriptors.
    Configure(Config),
    /// Find out how guests run here. In place of the first request; comes with `/dev/kvm` alone. Answered once, by a process
    /// that is in no jail and then exits.
    Probe,
    /// Let the guest run for the first time.
    Run,
    /// Stop processors and devices where they are.
    Pause,
    /// Let them go on.
    Resume,
    /// Hand over the state of processors and devices. Memory stays in its file, which must not change while it is used.
    Save,
    /// What it has used.
    Usage,
    /// End the guest, whatever it does.
    Stop,
}

/// What the VMM tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// These walls stand, before anything of the guest's was looked at.
    Jailed(Vec<JailLine>),
    /// Ready to run.
    Configured,
    /// The guest runs.
    Running,
    /// Processors and devices stand still.
    Paused,
    /// They go on.
    Resumed,
    /// The state, in the memfd that comes along, from its beginning.
    Saved {
        /// Bytes of it.
        bytes: u64,
    },
    /// What was used so far.
    Usage(Usage),
    /// What [`Request::Probe`] found.
    Probed(Result<Probe, ProbeFailure>),
    /// A request was not carried out.
    Failed(Failure),
    /// The guest has ended. Said once, and last.
    Ended(End),
}

/// What a microVM has used since it began to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of the virtual processors, guest and VMM together, in nanoseconds.
    pub vcpu_nanoseconds: u64,
    /// Processor time of the whole VMM, in nanoseconds.
    pub total_nanoseconds: u64,
    /// Bytes of memory that are mapped now: what the guest has touched, and some MiB of the VMM's own.
    pub resident: u64,
    /// The most of it so far.
    pub peak: u64,
    /// How often processors came out of the guest.
    pub exits: Exits,
}

/// Exits by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exits {
    /// Reads of an I/O port.
    pub port_reads: u64,
    /// Writes to an I/O port.
    pub port_writes: u64,
    /// Reads of a device's registers.
    pub register_reads: u64,
    /// Writes to a device's registers. Notifications of queues are not among them: the kernel takes these.
    pub register_writes: u64,
    /// Interrupted by the VMM itself.
    pub kicks: u64,
    /// All others.
    pub others: u64,
}

/// How the guest ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It powered itself off.
    Shutdown,
    /// It asked for a reset by the keyboard controller, as Linux does for a reboot and for a panic.
    Reset,
    /// Its processor shut down: a fault while a double fault was delivered.
    TripleFault,
    /// KVM could not go on, as where an emulator does not know an instruction.
    InternalError(InternalError),
    /// KVM refused to enter the guest.
    EntryFailed {
        /// The processor's own number for it.
        reason: u64,
    },
    /// `KVM_RUN` failed.
    RunFailed {
        /// errno(3).
        errno: i32,
    },
    /// An exit that this VMM asks KVM for by nothing it does.
    UnknownExit {
        /// `KVM_EXIT_…` of `linux/kvm.h`.
        number: u32,
    },
    /// A thread of the VMM's failed.
    ThreadFailed,
    /// [`Request::Stop`].
    Killed,
}

/// `KVM_EXIT_INTERNAL_ERROR`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternalError {
    /// `KVM_INTERNAL_ERROR_…`; 1 is a failed emulation.
    pub suberror: u32,
    /// Where the processor was.
    pub instruction_pointer: u64,
    /// The instruction's bytes where KVM tells them.
    pub bytes: Bytes,
}

/// Up to fifteen bytes, the longest that an instruction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    length: u8,
    bytes: [u8; 15],
}

impl Bytes {
    /// The first fifteen of them.
    #[must_use]
    pub fn new(from: &[u8]) -> Self {
        let mut all = Self::default();
        for (place, byte) in all.bytes.iter_mut().zip(from) {
            *place = *byte;
            all.length += 1;
        }
        all
    }

    /// The bytes.
    #[must_use]
    pub fn get(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }
}
