//! The fuzz targets' checks, bounded: on what a fixed generator makes. A script of the right kind needs no corpus: any bytes
//! are one.

use crate::{block_requests, device_registers, vsock_packets};

/// Marsaglia's xorshift: the same numbers in every run.
struct Xorshift(u64);

impl Xorshift {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_le_bytes()[0]
        };
        std::iter::repeat_with(&mut next).take(length).collect()
    }
}

fn rounds(count: usize, length: usize, check: fn(&[u8])) {
    let mut random = Xorshift(0x5DEE_CE66_D1CE_4E5B);
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
