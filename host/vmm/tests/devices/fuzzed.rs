//! The fuzz targets' checks, bounded: on what a fixed generator makes. A script of the right kind needs no corpus: any bytes
//! are one.

use mimobox_mutation::Xorshift;

use crate::{block_requests, device_registers, vsock_packets};

fn rounds(count: usize, length: usize, check: fn(&[u8])) {
    let mut random = Xorshift::first();
    for _ in 0..count {
        check(&random.bytes(length));
    }
}

#[test]
fn any_accesses_to_registers_pass() {
    rounds(300, 4000, device_registers::check);
}

#[test]
fn any_requests_to_a_disk_pass() {
    rounds(500, 2000, block_requests::check);
}

#[test]
fn any_packets_pass() {
    rounds(300, 2000, vsock_packets::check);
}
