#![cfg_attr(target_family = "wasm", no_std)]
use mimobox_policy::{Event, Operation, Verdict};
fn decide(event: Event) -> Verdict {
    match event.operation {
        Operation::Create(_) => Verdict::allow("create"),
        Operation::Execute(execution) if execution.program == "true" => Verdict::allow("true"),
        _ => Verdict::deny("default", "only true may run"),
    }
}
mimobox_policy::policy!(decide);
