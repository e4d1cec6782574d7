//! A queue that the driver has set up: chains come out of it and go back into it. Section 2.7 of virtio 1.2.

use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{GuestAddress, GuestMemoryMmap};

use super::chain::{Chain, ChainError};
use super::model::Progress;

/// Chains that are answered in one turn: a request may be long, and whoever pauses the machine waits for the end of a turn.
const TURN: u16 = 16;

/// A queue cannot be used any further: the device needs a reset.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RingError {
    #[error("failed to take a chain from a queue: {0}")]
    Available(virtio_queue::Error),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("failed to give a chain back: {0}")]
    Used(virtio_queue::Error),
    #[error("failed to accept a request without room for an answer")]
    NoAnswer,
}

/// One queue while its device serves it.
pub(crate) struct Ring<'q, 'm> {
    queue: &'q mut Queue,
    memory: &'m GuestMemoryMmap,
    /// Whether a chain went back since the driver was last told.
    used: bool,
}

impl<'q, 'm> Ring<'q, 'm> {
    pub(crate) fn new(queue: &'q mut Queue, memory: &'m GuestMemoryMmap) -> Self {
        Self { queue, memory, used: false }
    }

    /// Chains that it can hold, so the most that are worth taking in one go.
    pub(crate) fn size(&self) -> u16 {
        self.queue.size()
    }

    /// Takes the next chain. None where there is none, or the queue was not set up.
    pub(crate) fn take(&mut self) -> Result<Option<Chain<'m>>, RingError> {
        if !self.queue.ready() {
            return Ok(None);
        }
        let mut available = self.queue.iter(self.memory).map_err(RingError::Available)?;
        let Some(head) = available.next().map(|chain| chain.head_index()) else { return Ok(None) };
        let table = GuestAddress(self.queue.desc_table());
        Ok(Some(Chain::gather(self.memory, table, self.queue.size(), head)?))
    }

    /// Answers what is available, at most a turn's worth, and asks for a kick with the next. `answer` says how many bytes it
    /// wrote.
    pub(crate) fn serve(
        &mut self,
        mut answer: impl FnMut(Chain<'m>) -> Result<usize, RingError>,
    ) -> Result<Progress, RingError> {
        self.ask_for_silence()?;
        for _ in 0..TURN {
            let Some(chain) = self.take()? else { break };
            let head = chain.head;
            let written = answer(chain)?;
            self.give_back(head, written)?;
        }
        Ok(if self.ask_for_kick()? { Progress::More } else { Progress::Idle })
    }

    /// The chain that was taken last was not needed: the next `take` finds it again.
    pub(crate) fn put_back(&mut self) {
        self.queue.go_to_previous_position();
    }

    /// Gives a chain back, with so many bytes written.
    pub(crate) fn give_back(&mut self, head: u16, written: usize) -> Result<(), RingError> {
        // A chain has at most 4 GiB.
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        self.queue.add_used(self.memory, head, written).map_err(RingError::Used)?;
        self.used = true;
        Ok(())
    }

    /// Asks the driver for a kick with the next chain that it makes available. True if one came in between.
    pub(crate) fn ask_for_kick(&mut self) -> Result<bool, RingError> {
        if !self.queue.ready() {
            return Ok(false);
        }
        self.queue.enable_notification(self.memory).map_err(RingError::Available)
    }

    /// Asks the driver not to kick for a while.
    pub(crate) fn ask_for_silence(&mut self) -> Result<(), RingError> {
        if !self.queue.ready() {
            return Ok(());
        }
        self.queue.disable_notification(self.memory).map_err(RingError::Available)
    }

    /// Whether the driver wants an interrupt for what went back since this was asked last.
    pub(crate) fn wants_interrupt(&mut self) -> Result<bool, RingError> {
        if !std::mem::take(&mut self.used) {
            return Ok(false);
        }
        self.queue.needs_notification(self.memory).map_err(RingError::Used)
    }
}
