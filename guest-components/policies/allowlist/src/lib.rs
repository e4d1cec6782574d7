//! The reference policy: what `rules.toml` lists may happen, nothing else.
//!
//! A denial's rule is one of `operation-not-listed`, `isolation-not-listed`, `image-not-listed`, `volume-not-listed`,
//! `host-not-listed`, `too-many-sandboxes`, `program-not-listed`, `arguments-not-listed`, `variable-not-listed`,
//! `user-not-listed`, `terminal-not-listed`, `path-not-listed`, `access-not-listed`, `rules-unreadable`.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod create;
mod execute;
mod file;
mod pattern;
mod rules;

use alloc::string::String;

use mimobox_policy::{Event, Operation, Verdict};

use rules::{OperationKind, Rules};

mimobox_policy::policy!(decide);

/// `rules.toml` as the build script leaves it.
static RULES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rules.bin"));

fn decide(event: Event) -> Verdict {
    let Ok(rules) = postcard::from_bytes::<Rules<'_>>(RULES) else {
        return Verdict::deny("rules-unreadable", "this policy was built wrong");
    };
    let decided = match &event.operation {
        Operation::Create(creation) => create::decide(&rules.create, creation, event.history.sandboxes),
        Operation::Execute(execution) => execute::decide(&rules, execution),
        Operation::File(file) => file::decide(&rules.files, file),
        Operation::Http(_) => listed(&rules, OperationKind::Http, "http"),
        Operation::Connect(_) => listed(&rules, OperationKind::Connect, "connect"),
        Operation::TakeSnapshot => listed(&rules, OperationKind::TakeSnapshot, "take-snapshot"),
        Operation::RestoreSnapshot(_) => listed(&rules, OperationKind::RestoreSnapshot, "restore-snapshot"),
        Operation::Fork(_) => listed(&rules, OperationKind::Fork, "fork"),
        Operation::Signal(_) => listed(&rules, OperationKind::Signal, "signal"),
    };
    match decided {
        Ok(verdict) => verdict,
        Err(Denial { rule, reason }) => Verdict::deny(rule, reason),
    }
}

/// Why something is not allowed.
#[derive(Debug, PartialEq, Eq)]
struct Denial {
    rule: &'static str,
    reason: String,
}

impl Denial {
    fn new(rule: &'static str, reason: impl Into<String>) -> Self {
        Self { rule, reason: reason.into() }
    }
}

fn listed(rules: &Rules<'_>, kind: OperationKind, name: &str) -> Result<Verdict, Denial> {
    if rules.operations.contains(&kind) {
        return Ok(Verdict::allow(name));
    }
    Err(Denial::new("operation-not-listed", alloc::format!("{name} is not on the list")))
}

#[cfg(test)]
mod tests;
