//! What a grant makes of a machine: memory, processors, disks. Pure.

use mimobox_sandbox::GrantedLimits;
use mimobox_vmm_protocol::{MAX_DISKS, MAX_MEMORY, Probe, Template};
use serde::{Deserialize, Serialize};

use crate::error::CreateError;

/// Guest memory comes in these: a page table's reach.
const GRAIN: u64 = 2 << 20;
/// Less does not hold the kernel, the agent and a shell.
pub(crate) const LEAST_MEMORY: u64 = 64 << 20;
/// What a VMM needs besides guest memory: itself, its buffers, and the kernel's tables for its guest.
pub(crate) const OVERHEAD: u64 = 48 << 20;
/// Every disk is announced as so large: its file system knows better, and a template fits any.
pub(crate) const CAPACITY: u64 = 1 << 40;

/// All in which one template differs from another of the same kernel and base image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Bytes.
    pub(crate) memory: u64,
    pub(crate) vcpus: u8,
    pub(crate) template: Template,
    /// The base image's among them.
    pub(crate) disks: u8,
}

impl Shape {
    /// The machine for these limits, with so many disks besides the base image's.
    pub(crate) fn of(limits: &GrantedLimits, attached: usize, probe: &Probe) -> Result<Self, CreateError> {
        if limits.memory < LEAST_MEMORY {
            return Err(CreateError::LittleMemory);
        }
        let disks = attached + 1;
        if disks > MAX_DISKS {
            return Err(CreateError::Disks);
        }
        // More than there are processors for is still a limit that holds.
        let wanted = limits.cpu.div_ceil(1000).clamp(1, u32::from(probe.vcpus.max(1)));
        Ok(Self {
            memory: limits.memory.min(MAX_MEMORY) / GRAIN * GRAIN,
            vcpus: u8::try_from(wanted).unwrap_or(1),
            template: probe.template,
            disks: u8::try_from(disks).unwrap_or(u8::MAX),
        })
    }

    /// Bytes that what is written over the root may take: as in an OS sandbox, three quarters of the memory at most, since a
    /// full disk that leaves no memory leaves none for the program that removes a file.
    pub(crate) fn writable(&self, limits: &GrantedLimits) -> u64 {
        limits.disk.min(self.memory / 4 * 3)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use mimobox_vmm_protocol::Flavour;

    use super::*;

    const LIMITS: GrantedLimits =
        GrantedLimits { memory: 256 << 20, cpu: 1000, processes: 64, disk: 64 << 20 };

    fn probe(vcpus: u8) -> Probe {
        Probe { flavour: Flavour::Hardware, template: Template::Native, vcpus, missing: Vec::new() }
    }

    #[test]
    fn memory_is_rounded_down_and_too_little_is_refused() {
        let odd = GrantedLimits { memory: (129 << 20) + 5, ..LIMITS };
        assert_eq!(Shape::of(&odd, 0, &probe(8)).unwrap().memory, 128 << 20);
        let little = GrantedLimits { memory: LEAST_MEMORY - 1, ..LIMITS };
        assert!(matches!(Shape::of(&little, 0, &probe(8)), Err(CreateError::LittleMemory)));
    }

    #[test]
    fn processors_are_as_many_as_are_used_and_can_be_had() {
        for (cpu, most, expected) in [(1, 8, 1), (1000, 8, 1), (1001, 8, 2), (4000, 8, 4), (4000, 1, 1)] {
            let limits = GrantedLimits { cpu, ..LIMITS };
            assert_eq!(Shape::of(&limits, 0, &probe(most)).unwrap().vcpus, expected);
        }
    }

    #[test]
    fn disks_are_few() {
        assert_eq!(Shape::of(&LIMITS, 2, &probe(1)).unwrap().disks, 3);
        assert!(matches!(Shape::of(&LIMITS, MAX_DISKS, &probe(1)), Err(CreateError::Disks)));
    }

    #[test]
    fn the_disk_leaves_memory() {
        let limits = GrantedLimits { disk: 1 << 40, ..LIMITS };
        assert_eq!(Shape::of(&limits, 0, &probe(1)).unwrap().writable(&limits), 192 << 20);
        assert_eq!(Shape::of(&LIMITS, 0, &probe(1)).unwrap().writable(&LIMITS), 64 << 20);
    }
}
