//! What a VMM finds out about a KVM for [`Request::Probe`](crate::Request::Probe), by running instructions in it.

use serde::{Deserialize, Serialize};

use crate::config::Template;
use crate::failure::KvmStep;

/// How guests run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavour {
    /// All of a guest runs on the processor.
    Hardware,
    /// A guest's kernel mode goes through an emulator that does not know every instruction.
    EmulatedKernel,
}

impl Flavour {
    /// Stable name, for programs and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::EmulatedKernel => "emulated-kernel",
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// How guests run.
    pub flavour: Flavour,
    /// The template that suits it.
    pub template: Template,
    /// Most virtual processors of a microVM.
    pub vcpus: u8,
    /// Instructions that were tried in kernel mode and did not work.
    pub missing: Vec<String>,
}

/// Nothing can run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ProbeFailure {
    /// KVM refused.
    #[error("failed to {}: errno {errno}", step.name())]
    Kvm {
        /// What was tried.
        step: KvmStep,
        /// errno(3).
        errno: i32,
    },
    /// There is no memory for a guest.
    #[error("failed to set up guest memory")]
    Memory,
    /// Not even plain moves and jumps came to their end.
    #[error("failed to run a guest: its first instructions did not come to their end")]
    Dead,
}
