//! Denies every command. Sandboxes it allows: without one, no command could be asked for.

#![cfg_attr(target_family = "wasm", no_std)]

use mimobox_policy::{Event, Operation, Verdict};

mimobox_policy::policy!(decide);

fn decide(event: Event) -> Verdict {
    match event.operation {
        Operation::Create(_) => Verdict::allow("test-create"),
        _ => Verdict::deny("test-deny", "this policy denies every command"),
    }
}
