//! A queue as the driver sets it up, before it becomes usable: section 4.2.3.2 of virtio 1.2.

use serde::{Deserialize, Serialize};
use virtio_queue::{Queue, QueueT};
use vm_memory::{GuestAddress, GuestMemoryMmap};

use super::ring::Ring;

/// Where a driver says that a queue is. Anything, until the queue is made ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    /// Chains.
    pub(crate) size: u32,
    /// Guest physical addresses.
    pub(crate) descriptors: u64,
    pub(crate) available: u64,
    pub(crate) used: u64,
}

/// A queue is not made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Section 2.7: a power of two, and no more than the device has.
    #[error("failed to accept a queue of {0} chains")]
    Size(u32),
    /// Section 2.7: 16, 2 and 4 bytes.
    #[error("failed to accept a queue that is not aligned")]
    Alignment,
    /// Part of it would be no memory of the guest's.
    #[error("failed to accept a queue outside memory")]
    Outside,
}

/// One queue of a device.
#[derive(Debug)]
pub(crate) struct DeviceQueue {
    most: u16,
    /// What the driver last said.
    pub(crate) layout: Layout,
    /// What is used. Not ready until `layout` was found good.
    queue: Queue,
}

/// A queue of a saved device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueueState {
    layout: Layout,
    ready: bool,
    next_available: u16,
    next_used: u16,
}

impl DeviceQueue {
    /// A queue of at most so many chains, a power of two.
    pub(crate) fn new(most: u16) -> Result<Self, QueueError> {
        let queue = Queue::new(most).map_err(|_| QueueError::Size(most.into()))?;
        Ok(Self { most, layout: Layout::default(), queue })
    }

    pub(crate) fn most(&self) -> u16 {
        self.most
    }

    pub(crate) fn ready(&self) -> bool {
        self.queue.ready()
    }

    /// Makes it usable, if it is good.
    pub(crate) fn make_ready(
        &mut self,
        memory: &GuestMemoryMmap,
        event_index: bool,
    ) -> Result<(), QueueError> {
        let Layout { size, descriptors, available, used } = self.layout;
        self.queue.reset();
        let chains = u16::try_from(size).map_err(|_| QueueError::Size(size))?;
        self.queue.try_set_size(chains).map_err(|_| QueueError::Size(size))?;
        let queue = &mut self.queue;
        queue.try_set_desc_table_address(GuestAddress(descriptors)).map_err(|_| QueueError::Alignment)?;
        queue.try_set_avail_ring_address(GuestAddress(available)).map_err(|_| QueueError::Alignment)?;
        queue.try_set_used_ring_address(GuestAddress(used)).map_err(|_| QueueError::Alignment)?;
        queue.set_event_idx(event_index);
        queue.set_ready(true);
        if !queue.is_valid(memory) {
            queue.set_ready(false);
            return Err(QueueError::Outside);
        }
        Ok(())
    }

    pub(crate) fn stop(&mut self) {
        self.queue.reset();
    }

    pub(crate) fn reset(&mut self) {
        self.queue.reset();
        self.layout = Layout::default();
    }

    pub(crate) fn ring<'q, 'm>(&'q mut self, memory: &'m GuestMemoryMmap) -> Ring<'q, 'm> {
        Ring::new(&mut self.queue, memory)
    }

    pub(crate) fn save(&self) -> QueueState {
        QueueState {
            layout: self.layout,
            ready: self.queue.ready(),
            next_available: self.queue.next_avail(),
            next_used: self.queue.next_used(),
        }
    }

    /// Becomes what was saved, checked as if a driver had said it. Where the rings stand may be any number: a chain is looked
    /// at when it is taken.
    pub(crate) fn restore(
        &mut self,
        state: &QueueState,
        memory: &GuestMemoryMmap,
        event_index: bool,
    ) -> Result<(), QueueError> {
        self.layout = state.layout;
        if state.ready {
            self.make_ready(memory, event_index)?;
            self.queue.set_next_avail(state.next_available);
            self.queue.set_next_used(state.next_used);
        }
        Ok(())
    }
}
