//! Everything unsafe of this crate: what no safe library wraps, one file a subject.
//!
//! Each function here is safe to call with any arguments, or says in its name what it takes possession of.

mod descriptor;
mod exit_switch;
pub(crate) mod guest_io;
mod kvm;
mod thread_clock;

pub(crate) use descriptor::take_descriptor;
pub(crate) use exit_switch::ExitSwitch;
pub(crate) use kvm::{failed_emulation, give_memory, kvm_from, set_extended_state};
pub(crate) use thread_clock::{ThreadClock, processor_time};
