//! The interrupt of a device: why, in a register, and that, by an eventfd.

use std::sync::atomic::{AtomicU32, Ordering};

use vmm_sys_util::eventfd::EventFd;

use super::registers::interrupt;

/// Interrupt status and line. Any thread may use it.
#[derive(Debug)]
pub(crate) struct Interrupt {
    /// Section 4.2.2, `InterruptStatus`. No lock: a driver's handler reads it while the device serves its queues.
    status: AtomicU32,
    /// What KVM turns into an edge of the line.
    line: EventFd,
}

impl Interrupt {
    pub(crate) fn new(line: EventFd) -> Self {
        Self { status: AtomicU32::new(0), line }
    }

    /// Becomes what was saved; bits that no device sets are left out.
    pub(crate) fn restore(&self, status: u32) {
        self.status.store(status & (interrupt::USED_BUFFER | interrupt::CONFIGURATION), Ordering::SeqCst);
    }

    /// Interrupts the guest for these reasons.
    pub(crate) fn raise(&self, reasons: u32) {
        self.status.fetch_or(reasons, Ordering::SeqCst);
        self.pulse();
    }

    /// Interrupts the guest again for what it has not acknowledged. After a restore the edge itself is lost.
    pub(crate) fn repeat(&self) {
        if self.status() != 0 {
            self.pulse();
        }
    }

    fn pulse(&self) {
        // It fails only when 2^64 - 2 edges are waiting: one more says nothing.
        let _ = self.line.write(1);
    }

    pub(crate) fn acknowledge(&self, reasons: u32) {
        self.status.fetch_and(!reasons, Ordering::SeqCst);
    }

    pub(crate) fn status(&self) -> u32 {
        self.status.load(Ordering::SeqCst)
    }

    pub(crate) fn line(&self) -> &EventFd {
        &self.line
    }
}
