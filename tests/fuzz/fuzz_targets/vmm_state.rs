//! Any bytes as a saved machine, and as the contents of one.

#![no_main]

#[path = "../checks/vmm_state.rs"]
mod vmm_state;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vmm_state::check(bytes));
