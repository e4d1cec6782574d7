//! The devices, driven by a guest that is memory and nothing else: right, wrong and hostile. No KVM is needed.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation ends the test"
)]

mod block;
#[path = "../../../../tests/fuzz/checks/block_requests.rs"]
mod block_requests;
mod bulk;
#[path = "../../../../tests/fuzz/checks/device_registers.rs"]
mod device_registers;
mod fuzzed;
mod guest;
mod packets;
mod peer;
mod saved;
#[path = "../../../../tests/fuzz/checks/script.rs"]
mod script;
mod transport;
mod vsock;
#[path = "../../../../tests/fuzz/checks/vsock_packets.rs"]
mod vsock_packets;
