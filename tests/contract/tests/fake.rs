//! The contract suite on the backend in memory.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use std::sync::Arc;
use std::time::Duration;

use mimobox_contract::Harness;
use mimobox_sandbox::fake::{self, AuditLog, FakeBackend};
use mimobox_sandbox::{Manager, Parts};

struct Fake(Manager);

impl Harness for Fake {
    fn manager(&self) -> &Manager {
        &self.0
    }
}

fn harness() -> Option<Fake> {
    Some(Fake(Manager::new(Parts {
        ceiling: fake::ceiling(),
        policies: vec![],
        policy_deadline: Duration::from_secs(1),
        audit: Arc::new(AuditLog::default()),
        snapshots: None,
        backends: vec![Arc::new(FakeBackend)],
        name: "fake".into(),
    })))
}

mimobox_contract::contract!(harness());
