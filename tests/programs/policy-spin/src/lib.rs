//! Never decides.

#![cfg_attr(target_family = "wasm", no_std)]

use core::hint::black_box;

use mimobox_policy::{Event, Verdict};

mimobox_policy::policy!(decide);

fn decide(_event: Event) -> Verdict {
    let mut turns: u64 = 0;
    while black_box(turns) < u64::MAX {
        turns += 1;
    }
    Verdict::allow("test-spin")
}
