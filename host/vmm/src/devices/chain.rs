//! A request of the guest's: the memory that a chain of descriptors names. Sections 2.7.4 and 2.7.5 of virtio 1.2.
//!
//! The guest writes descriptors, and may change them while they are read: each is read once, checked, and then only what
//! was read counts.

use std::collections::VecDeque;

use virtio_queue::desc::split::Descriptor;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemory, GuestMemoryMmap, Permissions, VolatileSlice};

/// Bytes of a descriptor in the table: section 2.7.5.
const DESCRIPTOR: u64 = 16;

/// A chain is none. The driver is broken or hostile: its device needs a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChainError {
    #[error("failed to follow a chain to a descriptor beyond its table")]
    Index,
    #[error("failed to read a descriptor: its table is outside memory")]
    Table,
    #[error("failed to follow a chain that is longer than its queue: it loops")]
    Endless,
    #[error("failed to follow a chain with a table of its own: none was negotiated")]
    Indirect,
    #[error("failed to accept a chain where what the device reads comes after what it writes")]
    Order,
    #[error("failed to accept a buffer outside memory")]
    Buffer,
    #[error("failed to accept a chain of more than 4 GiB")]
    Length,
}

/// What a request is made of.
#[derive(Debug)]
pub(crate) struct Chain<'m> {
    /// Descriptor that the driver knows it by.
    pub(crate) head: u16,
    /// What the device reads.
    pub(crate) readable: Buffers<'m>,
    /// What the device writes.
    pub(crate) writable: Buffers<'m>,
}

impl<'m> Chain<'m> {
    /// Follows the chain that begins with this descriptor of a table of so many.
    pub(crate) fn gather(
        memory: &'m GuestMemoryMmap,
        table: GuestAddress,
        size: u16,
        head: u16,
    ) -> Result<Self, ChainError> {
        let mut chain = Self { head, readable: Buffers::default(), writable: Buffers::default() };
        let (mut next, mut length) = (head, 0_u32);
        for _ in 0..size {
            if next >= size {
                return Err(ChainError::Index);
            }
            let place = table.checked_add(u64::from(next) * DESCRIPTOR).ok_or(ChainError::Table)?;
            let descriptor: Descriptor = memory.read_obj(place).map_err(|_| ChainError::Table)?;
            if descriptor.refers_to_indirect_table() {
                return Err(ChainError::Indirect);
            }
            length = length.checked_add(descriptor.len()).ok_or(ChainError::Length)?;
            chain.add(memory, descriptor)?;
            if !descriptor.has_next() {
                return Ok(chain);
            }
            next = descriptor.next();
        }
        Err(ChainError::Endless)
    }

    fn add(&mut self, memory: &'m GuestMemoryMmap, descriptor: Descriptor) -> Result<(), ChainError> {
        let (buffers, access) = if descriptor.is_write_only() {
            (&mut self.writable, Permissions::Write)
        } else if self.writable.0.is_empty() {
            (&mut self.readable, Permissions::Read)
        } else {
            return Err(ChainError::Order);
        };
        let length = usize::try_from(descriptor.len()).map_err(|_| ChainError::Length)?;
        let slices = GuestMemory::get_slices(memory, descriptor.addr(), length, access);
        for slice in slices.map_err(|_| ChainError::Buffer)? {
            buffers.0.push(slice.map_err(|_| ChainError::Buffer)?);
        }
        Ok(())
    }
}

/// Pieces of guest memory, one after the other. All lie within it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers<'m>(Vec<VolatileSlice<'m>>);

impl<'m> Buffers<'m> {
    /// The pieces.
    pub(crate) fn slices(&self) -> &[VolatileSlice<'m>] {
        &self.0
    }

    /// Bytes of all. A chain has at most 4 GiB.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(VolatileSlice::len).sum()
    }

    /// Takes the first bytes off; all of them where there are fewer.
    pub(crate) fn split_first(&mut self, mut length: usize) -> Self {
        let mut first = Vec::new();
        let mut rest = Vec::with_capacity(self.0.len());
        for slice in self.0.drain(..) {
            let here = length.min(slice.len());
            length -= here;
            let parts = (slice.subslice(0, here), slice.offset(here));
            if let Ok(part) = parts.0
                && here > 0
            {
                first.push(part);
            }
            if let Ok(part) = parts.1
                && !part.is_empty()
            {
                rest.push(part);
            }
        }
        self.0 = rest;
        Self(first)
    }

    /// Takes the last byte off.
    pub(crate) fn split_last(&mut self) -> Option<Self> {
        let rest = self.len().checked_sub(1)?;
        let first = self.split_first(rest);
        Some(std::mem::replace(self, first))
    }

    /// Copies the first bytes out. None where there are fewer.
    pub(crate) fn read<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let mut rest = bytes.as_mut_slice();
        for slice in &self.0 {
            let copied = slice.copy_to(rest);
            rest = rest.get_mut(copied..)?;
        }
        rest.is_empty().then_some(bytes)
    }

    /// Copies all out, behind what is there.
    pub(crate) fn append_to(&self, bytes: &mut VecDeque<u8>) {
        for slice in &self.0 {
            let mut copy = vec![0; slice.len()];
            slice.copy_to(&mut copy);
            bytes.extend(copy);
        }
    }

    /// Copies in as much as there is room for. Bytes copied.
    pub(crate) fn write(&self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        for slice in &self.0 {
            let (here, later) = rest.split_at(rest.len().min(slice.len()));
            slice.copy_from(here);
            rest = later;
        }
        bytes.len() - rest.len()
    }

    /// Fills all with zeros.
    pub(crate) fn clear(&self) {
        const ZEROS: [u8; 4096] = [0; 4096];
        for slice in &self.0 {
            let mut done = 0;
            while let Ok(rest) = slice.offset(done)
                && !rest.is_empty()
            {
                let here = rest.len().min(ZEROS.len());
                rest.copy_from(ZEROS.get(..here).unwrap_or_default());
                done += here;
            }
        }
    }
}
