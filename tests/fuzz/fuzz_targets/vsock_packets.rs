//! Any packets of a guest's.

#![no_main]
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "the guest of the ordinary tests, of which a part is used")]

#[path = "../checks/vsock_packets.rs"]
mod vsock_packets;
#[path = "../../../host/vmm/tests/devices/guest.rs"]
mod guest;
#[path = "../../../host/vmm/tests/devices/peer.rs"]
mod peer;
#[path = "../checks/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vsock_packets::check(bytes));
