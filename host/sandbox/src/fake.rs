//! A backend in memory, for every test that needs no privileges.
//!
//! Its files are a tree in memory, and its programs a handful of the coreutils over in-memory pipes: enough for the contract
//! suite to ask of it what it asks of a real backend. It isolates nothing, and its enforcement report says so.

mod files;
mod instance;
mod programs;
mod task;
mod terminal;
mod tree;
mod watches;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt as _;

use crate::audit::{AuditFailure, AuditSink, Entry};
use crate::backend::{Backend, Created, Output, SandboxId};
use crate::ceiling::{Access, Ceiling};
use crate::enforcement::{Enforcement, EnforcementStatus};
use crate::error::{Error, Result};
use crate::grant::{Authorized, SandboxGrant};
use crate::limits::GrantedLimits;
use crate::spec::Isolation;

use instance::FakeInstance;
use tree::Tree;

/// What a pipe of Linux holds (pipe(7)).
const PIPE: usize = 64 * 1024;

/// The files of one sandbox, for its operations and its programs.
type Shared = Arc<Mutex<Tree>>;

/// A ceiling for tests: small, with a volume of each kind.
pub fn ceiling() -> Ceiling {
    let mebibytes = 1024 * 1024;
    Ceiling {
        isolation: vec![Isolation::Os],
        sandboxes: 64,
        sandboxes_per_run: 48,
        commands: 32,
        limits: GrantedLimits { memory: 1024 * mebibytes, cpu: 2000, processes: 256, disk: 512 * mebibytes },
        defaults: GrantedLimits { memory: 256 * mebibytes, cpu: 1000, processes: 64, disk: 64 * mebibytes },
        timeout: Duration::from_secs(60),
        lifetime: Duration::from_secs(600),
        output: mebibytes,
        volumes: BTreeMap::from([
            ("fixtures".into(), Access::ReadOnly),
            ("scratch".into(), Access::ReadWrite),
        ]),
    }
}

/// An audit log in memory, each entry as its debug form.
#[derive(Clone, Debug, Default)]
pub struct AuditLog {
    entries: Arc<Mutex<Vec<String>>>,
    full: Arc<AtomicBool>,
}

impl AuditLog {
    /// What was written so far.
    pub fn entries(&self) -> Vec<String> {
        self.entries.lock().clone()
    }

    /// From now on it takes no entry.
    pub fn fill_up(&self) {
        self.full.store(true, Ordering::Relaxed);
    }
}

impl AuditSink for AuditLog {
    fn record(&self, entry: &Entry<'_>) -> Result<(), AuditFailure> {
        if self.full.load(Ordering::Relaxed) {
            return Err(AuditFailure("no space left".into()));
        }
        self.entries.lock().push(format!("{entry:?}"));
        Ok(())
    }
}

/// Makes sandboxes that are none.
#[derive(Debug, Default)]
pub struct FakeBackend;

#[async_trait]
impl Backend for FakeBackend {
    fn isolation(&self) -> Isolation {
        Isolation::Os
    }

    fn default_image(&self) -> &str {
        "host"
    }

    async fn create(&self, _id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created> {
        if grant.image != self.default_image() {
            return Err(Error::NotFound);
        }
        Ok(created(FakeInstance::new(grant.limits.disk)))
    }

    async fn restore(
        &self,
        _id: &SandboxId,
        grant: Authorized<SandboxGrant>,
        mut state: Output,
    ) -> Result<Created> {
        let mut saved = Vec::new();
        state.read_to_end(&mut saved).await.map_err(|error| Error::from_io(&error))?;
        Ok(created(FakeInstance::restored(grant.limits.disk, &saved)?))
    }
}

fn created(instance: FakeInstance) -> Created {
    let enforcement = vec![Enforcement {
        mechanism: "fake".into(),
        status: EnforcementStatus::Absent,
        detail: "a backend for tests enforces nothing".into(),
    }];
    Created { instance: Arc::new(instance), enforcement }
}
