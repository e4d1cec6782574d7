//! Allows less than was asked for: sandboxes of few processes, short commands, and no variable `SECRET`.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::string::ToString;
use alloc::vec;

use mimobox_policy::{Event, Narrowing, Operation, Verdict};

mimobox_policy::policy!(decide);

const PROCESSES: u32 = 16;
/// Nanoseconds.
const TIMEOUT: u64 = 200_000_000;

fn decide(event: Event) -> Verdict {
    match event.operation {
        Operation::Create(_) => {
            Verdict::narrow("test-few-processes", Narrowing { processes: Some(PROCESSES), ..Narrowing::NONE })
        }
        Operation::Execute(_) => Verdict::narrow(
            "test-short",
            Narrowing {
                timeout: Some(TIMEOUT),
                remove_environment: vec!["SECRET".to_string()],
                ..Narrowing::NONE
            },
        ),
        _ => Verdict::allow("test-other"),
    }
}
