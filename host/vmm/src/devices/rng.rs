//! Random bytes from the host's kernel: section 5.4 of virtio 1.2.

use super::model::{Model, Progress};
use super::ring::{Ring, RingError};

/// Device ID: section 5.4.1.
const KIND: u32 = 4;
/// Chains at a time. A guest asks for the next bytes when it has got some.
const QUEUES: [u16; 1] = [8];
/// Bytes for one chain; a driver takes fewer than it asked for: section 5.4.6.1. Linux asks for 64.
const MAX_ANSWER: usize = 256;

/// The device.
pub(crate) struct Rng;

impl Model for Rng {
    fn kind(&self) -> u32 {
        KIND
    }

    fn features(&self) -> u64 {
        0
    }

    fn configuration(&self) -> &[u8] {
        &[]
    }

    fn queues(&self) -> &'static [u16] {
        &QUEUES
    }

    fn serve(&mut self, rings: &mut [Ring<'_, '_>]) -> Result<Progress, RingError> {
        let [requests] = rings else { return Ok(Progress::Idle) };
        requests.serve(|chain| {
            let mut bytes = [0; MAX_ANSWER];
            // The kernel's generator is ready long before a host runs guests. Were it not: no bytes, which a driver sees.
            let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).unwrap_or(0);
            Ok(chain.writable.write(bytes.get(..got).unwrap_or_default()))
        })
    }

    fn reset(&mut self) {
        // It remembers nothing.
    }
}
