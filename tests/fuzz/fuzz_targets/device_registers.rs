//! Any accesses to registers of devices, and any memory behind them.

#![no_main]
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "the guest of the ordinary tests, of which a part is used")]

#[path = "../checks/device_registers.rs"]
mod device_registers;
#[path = "../../../host/vmm/tests/devices/guest.rs"]
mod guest;
#[path = "../checks/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| device_registers::check(bytes));
