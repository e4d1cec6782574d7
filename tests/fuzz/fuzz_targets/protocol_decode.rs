//! Any bytes as frames of the agent protocol, in any split.

#![no_main]

#[path = "../checks/protocol_decode.rs"]
mod protocol_decode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol_decode::check(bytes));
