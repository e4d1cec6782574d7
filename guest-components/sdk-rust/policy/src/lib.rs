//! SDK for mimobox-host policies in Rust.
//!
//! A policy answers one question: may this component do that? It imports nothing, so its answer depends on the event
//! alone; it keeps nothing, since each decision runs in a fresh instance. A trap is a denial.
//!
//! ```no_run
//! #![cfg_attr(target_family = "wasm", no_std)]
//! use mimobox_policy::{Event, Operation, Verdict};
//!
//! fn decide(event: Event) -> Verdict {
//!     match event.operation {
//!         Operation::Create(_) => Verdict::allow("create"),
//!         Operation::Execute(execution) if execution.program == "true" => Verdict::allow("true"),
//!         _ => Verdict::deny("default", "only true may run"),
//!     }
//! }
//!
//! mimobox_policy::policy!(decide);
//! # fn main() {}
//! ```
//!
//! The standard library of `wasm32-wasip2` imports clocks, files and terminals even where a program uses none of them.
//! That is why a policy is built without std; `alloc` is there, and this crate brings the allocator and the panic handler.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

#[doc(hidden)]
#[allow(missing_docs, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "policy",
        path: "../../../wit/policy",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
    });
}

#[cfg(target_family = "wasm")]
mod bare;

pub use bindings::exports::mimobox::policy::decision::{
    Creation, Datetime, Effect, Event, Execution, File, FileAccess, History, Narrowing, Operation, Request,
    Subject, Verdict,
};

/// Makes a component of a `fn(Event) -> Verdict`. Once a crate, in its root.
#[macro_export]
macro_rules! policy {
    ($decide:path) => {
        #[doc(hidden)]
        struct PolicyComponent;

        impl $crate::bindings::exports::mimobox::policy::decision::Guest for PolicyComponent {
            fn decide(event: $crate::Event) -> $crate::Verdict {
                $decide(event)
            }
        }

        $crate::bindings::export!(PolicyComponent with_types_in $crate::bindings);
    };
}

impl Verdict {
    /// As asked.
    pub fn allow(rule: impl Into<String>) -> Self {
        Self { effect: Effect::Allow, rule: rule.into(), reason: String::new() }
    }

    /// As asked, within these bounds.
    pub fn narrow(rule: impl Into<String>, narrowing: Narrowing) -> Self {
        Self { effect: Effect::Narrow(narrowing), rule: rule.into(), reason: String::new() }
    }

    /// Not at all. `rule` is for programs and stays the same; `reason` is one sentence for people.
    pub fn deny(rule: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { effect: Effect::Deny, rule: rule.into(), reason: reason.into() }
    }
}

impl Narrowing {
    /// Tightens nothing; set what should be tighter.
    pub const NONE: Self = Self {
        timeout: None,
        memory: None,
        cpu: None,
        processes: None,
        hosts: None,
        remove_environment: Vec::new(),
        count: None,
    };
}

#[cfg(test)]
mod tests {
    use super::{Effect, Narrowing, Verdict};

    #[test]
    fn narrowing_changes_nothing_by_itself() {
        let verdict = Verdict::narrow("rule", Narrowing::NONE);
        assert_eq!(verdict.effect, Effect::Narrow(Narrowing::NONE));
        assert_eq!(Verdict::deny("rule", "because").reason, "because");
    }
}
