//! The contract suite on the backend in memory.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use std::sync::Arc;
use std::time::Duration;

use mimobox_contract::Harness;
use mimobox_harness::snapshots;
use mimobox_sandbox::fake::{self, AuditLog, FakeBackend};
use mimobox_sandbox::{Manager, Parts};

/// A manager, and the folder of its snapshots.
struct Fake(Manager, #[allow(dead_code, reason = "goes with it")] tempfile::TempDir);

impl Harness for Fake {
    fn manager(&self) -> &Manager {
        &self.0
    }
}

fn harness() -> Option<Fake> {
    let (folder, store) = snapshots();
    let manager = Manager::new(Parts {
        ceiling: fake::ceiling(),
        policies: vec![],
        policy_deadline: Duration::from_secs(60),
        audit: Arc::new(AuditLog::default()),
        snapshots: Some(Arc::new(store)),
        backends: vec![Arc::new(FakeBackend)],
        name: "fake".into(),
    });
    Some(Fake(manager, folder))
}

mimobox_contract::contract!(harness());
