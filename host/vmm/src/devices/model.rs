//! What a device is behind its registers: the seam between the transport and block, rng and vsock.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::ring::{Ring, RingError};

/// Whether a device is done for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing to do until the driver kicks or [`Model::source`] is ready.
    Idle,
    /// It stopped at its bound, so that orders and other devices have their turn: there may be more.
    More,
}

/// A device behind the transport.
pub(crate) trait Model: Send {
    /// Device ID: section 5.
    fn kind(&self) -> u32;

    /// Features of this kind of device; those of the transport are not among them.
    fn features(&self) -> u64;

    /// Configuration that the driver reads.
    fn configuration(&self) -> &[u8];

    /// Most chains in each of its queues. Powers of two.
    fn queues(&self) -> &'static [u16];

    /// Serves its queues, which are as many as [`queues`](Self::queues) says, a bounded number of chains.
    ///
    /// # Errors
    /// A queue that cannot be used any further: the device needs a reset.
    fn serve(&mut self, rings: &mut [Ring<'_, '_>]) -> Result<Progress, RingError>;

    /// The driver starts anew, or its device broke: whatever was under way is over.
    fn reset(&mut self);

    /// Becomes readable when the device wants to be served though nobody kicked. [`serve`](Self::serve) leaves nothing
    /// to read in it, or says [`Progress::More`].
    fn source(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// When the device wants to be served though nothing happened.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether the guest has something under way with the host that a restored device would know nothing of.
    fn is_engaged(&self) -> bool {
        false
    }

    /// The guest was saved while it was engaged, and must be told that this is over.
    fn disengage(&mut self) {}

    /// Messages of the guest's so far that made no sense.
    fn oddities(&self) -> u64 {
        0
    }
}
