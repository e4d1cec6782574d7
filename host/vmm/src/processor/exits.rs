//! How often a processor came out of its guest.

use std::sync::atomic::{AtomicU64, Ordering};

use mimobox_vmm_protocol::Exits;

/// Counts of one processor, read by others while it runs.
#[derive(Debug, Default)]
pub(crate) struct ExitCounts {
    pub(crate) port_reads: AtomicU64,
    pub(crate) port_writes: AtomicU64,
    pub(crate) register_reads: AtomicU64,
    pub(crate) register_writes: AtomicU64,
    pub(crate) kicks: AtomicU64,
    pub(crate) others: AtomicU64,
}

impl ExitCounts {
    /// One more. Only the processor's own thread counts, so no other addition can be lost.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Adds these to a sum over processors.
    pub(crate) fn add_to(&self, sum: &mut Exits) {
        let add = |to: &mut u64, from: &AtomicU64| *to = to.wrapping_add(from.load(Ordering::Relaxed));
        add(&mut sum.port_reads, &self.port_reads);
        add(&mut sum.port_writes, &self.port_writes);
        add(&mut sum.register_reads, &self.register_reads);
        add(&mut sum.register_writes, &self.register_writes);
        add(&mut sum.kicks, &self.kicks);
        add(&mut sum.others, &self.others);
    }
}
