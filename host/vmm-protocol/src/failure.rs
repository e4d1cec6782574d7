//! Why a VMM could not do what it was asked to.

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::jail::Mechanism;

/// Why not. Texts are for the operator: no path and nothing of the guest's is in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    /// The packet was no request, or none that this state takes.
    #[error("failed to take the request: it does not belong here")]
    OutOfOrder,
    /// The configuration is refused.
    #[error(transparent)]
    Config(ConfigError),
    /// Other descriptors came than belong to the configuration.
    #[error("failed to take the configuration: {received} descriptors came, {expected} belong to it")]
    Descriptors {
        /// So many belong to it.
        expected: u32,
        /// So many came.
        received: u32,
    },
    /// A wall of the jail could not be put up, and nobody tolerates that.
    #[error("failed to put up `{}`: {cause}", mechanism.name())]
    Jail {
        /// Which.
        mechanism: Mechanism,
        /// Why.
        cause: String,
    },
    /// KVM refused.
    #[error("failed to {}: errno {errno}", step.name())]
    Kvm {
        /// What was tried.
        step: KvmStep,
        /// errno(3).
        errno: i32,
    },
    /// Guest memory could not be mapped or written.
    #[error("failed to set up guest memory: {cause}")]
    Memory {
        /// Why.
        cause: String,
    },
    /// The kernel is refused.
    #[error("failed to load the kernel: {0}")]
    Kernel(KernelFailure),
    /// The saved state is refused.
    #[error("failed to restore the state: {0}")]
    State(StateFailure),
    /// A device could not be set up or saved.
    #[error("failed to set up the devices: {cause}")]
    Devices {
        /// Why.
        cause: String,
    },
    /// A thread of the VMM's is gone or does not answer.
    #[error("failed to reach a thread of the VMM")]
    Thread,
}

/// Why a kernel is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum KernelFailure {
    /// Neither an ELF file nor a bzImage.
    #[error("it is neither an ELF file nor a bzImage")]
    Unrecognised,
    /// For another architecture, of this number in its ELF header.
    #[error("it is for another architecture (ELF machine {machine})")]
    Architecture {
        /// `e_machine` of elf(5).
        machine: u16,
    },
    /// A bzImage without a 64-bit entry.
    #[error("it has no 64-bit entry")]
    NoLongModeEntry,
    /// It ends before its own headers say.
    #[error("it is cut short or damaged")]
    Damaged,
    /// It does not fit into the guest's memory.
    #[error("it does not fit into the guest's memory")]
    TooLarge,
    /// The command line is too long for it.
    #[error("its command line is too long")]
    CommandLine,
}

/// Why a saved state is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum StateFailure {
    /// No saved state, or cut short.
    #[error("it is no saved state, or cut short")]
    Unrecognised,
    /// Written by a VMM of another version.
    #[error("it has format version {0}, which this VMM does not know")]
    Version(u32),
    /// Longer than any state is.
    #[error("it is longer than any state")]
    TooLong,
    /// The checksum is another.
    #[error("its checksum is wrong")]
    Checksum,
    /// The bytes are no state.
    #[error("its contents are damaged")]
    Damaged,
    /// Saved under another template.
    #[error("it was saved under the template `{}`", .0.name())]
    Template(crate::Template),
    /// Saved with other memory, processors or disks.
    #[error("it was saved with other memory, processors or disks")]
    Shape,
    /// This kernel's KVM, or this processor, does not take a part of it.
    #[error("this machine does not let us {} as saved", .0.name())]
    Refused(KvmStep),
    /// The machine to save was itself restored: its memory is not in its file.
    #[error("the memory of a restored machine cannot be saved")]
    PrivateMemory,
}

/// A step with KVM: `Documentation/virt/kvm/api.rst` of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "their names are the steps' own")]
pub enum KvmStep {
    Version,
    CreateVm,
    TssAddress,
    InterruptController,
    Memory,
    CreateVcpu,
    Cpuid,
    Registers,
    SpecialRegisters,
    FloatingPoint,
    ExtendedState,
    ExtendedControl,
    ModelRegisters,
    LocalInterrupts,
    MultiprocessorState,
    Events,
    DebugRegisters,
    TscFrequency,
    Clock,
    InterruptLine,
    WriteEvent,
    Run,
}

impl KvmStep {
    /// What it does, as in "failed to …".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "use this KVM",
            Self::CreateVm => "create a virtual machine",
            Self::TssAddress => "place the task state segment",
            Self::InterruptController => "access the interrupt controllers",
            Self::Memory => "give memory to the virtual machine",
            Self::CreateVcpu => "create a virtual processor",
            Self::Cpuid => "set CPUID",
            Self::Registers => "access registers",
            Self::SpecialRegisters => "access special registers",
            Self::FloatingPoint => "access floating point registers",
            Self::ExtendedState => "access extended state",
            Self::ExtendedControl => "access extended control registers",
            Self::ModelRegisters => "access model-specific registers",
            Self::LocalInterrupts => "access the local interrupt controller",
            Self::MultiprocessorState => "access the multiprocessor state",
            Self::Events => "access pending events",
            Self::DebugRegisters => "access debug registers",
            Self::TscFrequency => "set the frequency of the time stamp counter",
            Self::Clock => "access the clock",
            Self::InterruptLine => "wire an interrupt",
            Self::WriteEvent => "wire a write",
            Self::Run => "run a virtual processor",
        }
    }
}
