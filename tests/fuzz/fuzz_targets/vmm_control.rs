//! Any packet on a VMM's control socket.

#![no_main]

#[path = "../checks/vmm_control.rs"]
mod vmm_control;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vmm_control::check(bytes));
