//! Calls itself without end.

use std::hint::black_box;

use crate::Ended;

pub(crate) fn run() -> Ended {
    Ok(u8::from(deeper(0) == 0))
}

fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX {
        return depth;
    }
    // Used after the call, so that the compiler makes no loop of it.
    let frame = black_box([depth; 16]);
    deeper(depth + 1) + frame[0]
}
