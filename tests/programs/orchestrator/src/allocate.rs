//! Takes memory without end, and writes to all of it.

use std::hint::black_box;

use crate::Ended;

const PIECE: usize = 1024 * 1024;

pub(crate) fn run() -> Ended {
    let mut pieces = Vec::new();
    loop {
        pieces.push(black_box(vec![1_u8; PIECE]));
    }
}
