//! Traps.

#![cfg_attr(target_family = "wasm", no_std)]

use mimobox_policy::{Event, Verdict};

mimobox_policy::policy!(decide);

#[expect(clippy::panic, reason = "this is what it is for")]
fn decide(_event: Event) -> Verdict {
    panic!("this policy never decides")
}
