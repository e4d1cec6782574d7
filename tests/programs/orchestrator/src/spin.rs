//! Never ends, and never calls the host.

use std::hint::black_box;

use crate::Ended;

pub(crate) fn run() -> Ended {
    let mut turns: u64 = 0;
    while black_box(turns) < u64::MAX {
        turns += 1;
    }
    Ok(0)
}
