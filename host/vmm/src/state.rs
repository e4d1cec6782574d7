//! A saved machine as bytes: a header that can be checked alone, then the state.
//!
//! ```text
//!   0   8   magic
//!   8   4   format version, least significant byte first
//!   12  4   bytes of the state
//!   16  32  SHA-256 of the state
//!   48      the state: postcard
//! ```
//! The host keeps these bytes in files and hands them back: they may be anybody's by then. So the length is bounded before
//! anything is allocated, the checksum comes before the contents, and what does not fit the machine is refused by name.

use kvm_bindings::{kvm_clock_data, kvm_irqchip};
use mimobox_vmm_protocol::{Config, StateFailure, Template};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::board::SerialState;
use crate::devices::DevicesState;
use crate::processor::ProcessorState;

/// Most bytes of a saved machine. One with all processors and devices takes a quarter.
pub const MAX_STATE: usize = 4 << 20;

const MAGIC: &[u8; 8] = b"MIMOVMS\0";
/// Changes with every change of the state's fields or of their meaning.
const VERSION: u32 = 1;
const HEADER: usize = 48;

/// Everything about a machine but its memory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MachineState {
    pub(crate) template: Template,
    pub(crate) memory: u64,
    pub(crate) disks: u8,
    pub(crate) processors: Vec<ProcessorState>,
    /// Both halves of the old interrupt controller, and the new one.
    pub(crate) interrupt_controllers: [kvm_irqchip; 3],
    pub(crate) clock: kvm_clock_data,
    pub(crate) serial: SerialState,
    pub(crate) devices: DevicesState,
}

impl MachineState {
    /// Its bytes.
    ///
    /// # Errors
    /// `TooLong`.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StateFailure> {
        let body = postcard::to_allocvec(self).map_err(|_| StateFailure::Damaged)?;
        let length = u32::try_from(body.len()).map_err(|_| StateFailure::TooLong)?;
        if body.len() + HEADER > MAX_STATE {
            return Err(StateFailure::TooLong);
        }
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(&body));
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// The machine that these bytes are.
    ///
    /// # Errors
    /// Each variant of [`StateFailure`] but `Template`, `Shape`, `Refused` and `PrivateMemory`.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StateFailure> {
        if bytes.len() > MAX_STATE {
            return Err(StateFailure::TooLong);
        }
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(StateFailure::Unrecognised)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(StateFailure::Unrecognised)?;
        if magic != MAGIC {
            return Err(StateFailure::Unrecognised);
        }
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(StateFailure::Version(version));
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(StateFailure::Unrecognised)?;
        let (checksum, body) = rest.split_first_chunk::<32>().ok_or(StateFailure::Unrecognised)?;
        if usize::try_from(u32::from_le_bytes(*length)) != Ok(body.len()) {
            return Err(StateFailure::Unrecognised);
        }
        if Sha256::digest(body).as_slice() != checksum {
            return Err(StateFailure::Checksum);
        }
        match postcard::take_from_bytes(body) {
            Ok((state, [])) => Ok(state),
            _ => Err(StateFailure::Damaged),
        }
    }

    /// Whether it is of a machine like this one.
    ///
    /// # Errors
    /// `Template`, `Shape`.
    pub(crate) fn fits(&self, config: &Config) -> Result<(), StateFailure> {
        if self.template != config.template {
            return Err(StateFailure::Template(self.template));
        }
        let alike = self.memory == config.memory
            && self.processors.len() == usize::from(config.vcpus)
            && usize::from(self.disks) == config.disks.len();
        if alike { Ok(()) } else { Err(StateFailure::Shape) }
    }
}

/// Whether these bytes are a saved machine. For whoever keeps them, and for tests with hostile bytes.
///
/// # Errors
/// Why not.
pub fn check_state(bytes: &[u8]) -> Result<(), StateFailure> {
    MachineState::from_bytes(bytes).map(|_| ())
}
