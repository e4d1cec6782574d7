//! The switch that makes `KVM_RUN` come back: `immediate_exit` of `struct kvm_run` (`Documentation/virt/kvm/api.rst`).
//!
//! A signal alone is lost when it comes between the last look at an order and `KVM_RUN`. The switch is not: whoever gives an
//! order sets it, then sends the signal, and the processor's thread clears it only before it looks for orders.
#![allow(unsafe_code, reason = "one byte of a page that the kernel, a processor's thread and others share")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

use kvm_ioctls::VcpuFd;
use parking_lot::Mutex;

/// The switch of one processor. Does nothing once the processor is gone.
#[derive(Debug, Default)]
pub(crate) struct ExitSwitch(Mutex<Option<NonNull<AtomicU8>>>);

// SAFETY: the pointer is used under the lock, and only while `connect` says that what it points to is there.
unsafe impl Send for ExitSwitch {}
// SAFETY: as for `Send`.
unsafe impl Sync for ExitSwitch {}

/// For as long as this lives the switch works. Goes before the processor does.
#[derive(Debug)]
pub(crate) struct Connected<'a>(&'a ExitSwitch);

impl ExitSwitch {
    /// Runs `with` while the switch works on this processor.
    pub(crate) fn connect<T>(&self, vcpu: &mut VcpuFd, with: impl FnOnce(&mut VcpuFd) -> T) -> T {
        let byte = (&raw mut vcpu.get_kvm_run().immediate_exit).cast::<AtomicU8>();
        *self.0.lock() = NonNull::new(byte);
        let _connected = Connected(self);
        with(vcpu)
    }

    /// Makes the present or the next `KVM_RUN` come back at once; the caller sends the signal.
    pub(crate) fn set(&self) {
        self.store(1);
    }

    /// Lets `KVM_RUN` run.
    pub(crate) fn clear(&self) {
        self.store(0);
    }

    fn store(&self, value: u8) {
        if let Some(byte) = *self.0.lock() {
            // SAFETY: `Connected` empties the slot, under this lock, before `connect` gives the processor back, so its page is
            // still mapped. The kernel reads this byte; everyone else goes through here.
            unsafe { byte.as_ref() }.store(value, Ordering::SeqCst);
        }
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        *self.0.0.lock() = None;
    }
}
