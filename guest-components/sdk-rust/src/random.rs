//! Randomness fit for secrets.

use crate::bindings::wasi::random::random;

/// So many random bytes.
pub fn bytes(count: usize) -> Vec<u8> {
    random::get_random_bytes(count as u64)
}

/// A random number.
pub fn number() -> u64 {
    random::get_random_u64()
}
