//! Allows everything.

#![cfg_attr(target_family = "wasm", no_std)]

use mimobox_policy::{Event, Verdict};

mimobox_policy::policy!(decide);

fn decide(_event: Event) -> Verdict {
    Verdict::allow("test-allow")
}
