//! Gives verdicts that make no sense: a rule without a name for a sandbox, and a megabyte of reasons for anything else.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use mimobox_policy::{Event, Operation, Verdict};

mimobox_policy::policy!(decide);

const MEGABYTE: usize = 1_000_000;

fn decide(event: Event) -> Verdict {
    match event.operation {
        Operation::Create(_) => Verdict::allow(""),
        _ => Verdict::deny("test-absurd", "a".repeat(MEGABYTE)),
    }
}
