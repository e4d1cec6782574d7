//! Any requests to a disk.

#![no_main]
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "the guest of the ordinary tests, of which a part is used")]

#[path = "../checks/block_requests.rs"]
mod block_requests;
#[path = "../../../host/vmm/tests/devices/guest.rs"]
mod guest;
#[path = "../checks/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| block_requests::check(bytes));
