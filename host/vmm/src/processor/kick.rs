//! Getting a processor out of its guest, whatever the guest does.

use std::sync::atomic::{AtomicBool, Ordering};

use vmm_sys_util::errno;
use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler};

use crate::sys::ExitSwitch;

/// A wish that a processor stop, and the means.
///
/// ```text
///   who kicks:     wanted = true ─► switch on ─► signal
///   processor:     switch off ─► wanted? ─► KVM_RUN
/// ```
/// If the wish comes before the question, it is heard there. If it comes after, the switch is on and makes `KVM_RUN` come
/// back, or the signal interrupts it.
#[derive(Debug, Default)]
pub(crate) struct Kick {
    wanted: AtomicBool,
    pub(crate) switch: ExitSwitch,
}

impl Kick {
    /// The signal that interrupts `KVM_RUN`. Its handler does nothing.
    pub(crate) fn signal() -> libc::c_int {
        SIGRTMIN()
    }

    /// Makes the signal harmless. Once, before there are processors.
    ///
    /// # Errors
    /// Those of sigaction(2).
    pub(crate) fn prepare() -> Result<(), errno::Error> {
        extern "C" fn nothing(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
        register_signal_handler(Self::signal(), nothing)
    }

    /// Wants the processor to stop. The caller sends the signal after that.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        self.switch.set();
    }

    /// The processor may run again.
    pub(crate) fn release(&self) {
        self.wanted.store(false, Ordering::SeqCst);
        self.switch.clear();
    }

    /// Whether somebody wants it to stop.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    /// The next entry is to come back at once, after it has completed what is open.
    pub(crate) fn expect_at_once(&self) {
        self.switch.set();
    }

    /// A signal that nobody wanted anything by, or one too many: the switch goes off before the next question.
    pub(crate) fn heard(&self) {
        self.switch.clear();
    }
}
