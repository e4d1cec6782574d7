//! Takes memory without end.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;

use mimobox_policy::{Event, Verdict};

mimobox_policy::policy!(decide);

const PIECE: usize = 64 * 1024;

fn decide(_event: Event) -> Verdict {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    loop {
        pieces.push(black_box(vec![0; PIECE]));
    }
}
