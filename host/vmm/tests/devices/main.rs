//! The devices, driven by a guest that is memory and nothing else: right, wrong and hostile. No KVM is needed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod block;
mod bulk;
mod guest;
mod packets;
mod peer;
mod saved;
mod transport;
mod vsock;
