//! Any bytes as a snapshot's file, as they are and with their digests put right.

#![no_main]

#[path = "../checks/snapshot_file.rs"]
mod snapshot_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| snapshot_file::check(bytes));
