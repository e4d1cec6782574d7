//! Calls itself without end, and keeps nothing in memory: what runs out is the call stack, which is the host's.

use std::hint::black_box;

use crate::Ended;

pub(crate) fn run() -> Ended {
    Ok(u8::from(deeper(black_box(0)) == 0))
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX {
        return depth;
    }
    // Turned after the call, so that the compiler makes no loop of it.
    deeper(depth + 1).rotate_left(1) ^ depth
}
