//! A manager over the real OS backend, under the ceiling that the fake one has.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mimobox_backend_os::{Access, BackendConfig, NewBackendError, OsBackend, Volume};
use mimobox_sandbox::fake::{self, AuditLog};
use mimobox_sandbox::{Ceiling, Manager, Parts, Policy, Run, Subject};
use tempfile::TempDir;

use crate::built;
use crate::requirement::{Requirement, met};
use crate::snapshots::snapshots;

/// A host for tests. Its volumes are `fixtures`, read-only, and `scratch`; they and its snapshots go with it.
pub struct OsHost {
    manager: Manager,
    audit: AuditLog,
    volumes: TempDir,
    _snapshots: TempDir,
}

impl OsHost {
    /// With the ceiling of the fake backend and no policy; none where the machine lacks what it takes.
    pub fn start() -> Option<Self> {
        Self::with(fake::ceiling(), Vec::new())
    }

    /// Under the ceiling of the fake backend, after `configure` and `adjust` have been at what it is made of, and whatever the
    /// machine lacks.
    ///
    /// # Errors
    /// What the backend says.
    pub fn try_start(
        configure: impl FnOnce(&mut BackendConfig),
        adjust: impl FnOnce(&mut Parts),
    ) -> Result<Self, NewBackendError> {
        Self::assemble(configure, |_| {}, adjust)
    }

    /// With this ceiling and these policies; none where the machine lacks what it takes.
    pub fn with(ceiling: Ceiling, policies: Vec<Arc<dyn Policy>>) -> Option<Self> {
        Self::prepared(ceiling, policies, |_| {})
    }

    /// As [`OsHost::with`], after `prepare` has been at the backend.
    pub fn prepared(
        ceiling: Ceiling,
        policies: Vec<Arc<dyn Policy>>,
        prepare: impl FnOnce(&mut OsBackend),
    ) -> Option<Self> {
        if !met(Requirement::Root) {
            return None;
        }
        let adjust = |parts: &mut Parts| {
            parts.ceiling = ceiling;
            parts.policies = policies;
        };
        Some(Self::assemble(|_| {}, prepare, adjust).unwrap())
    }

    fn assemble(
        configure: impl FnOnce(&mut BackendConfig),
        prepare: impl FnOnce(&mut OsBackend),
        adjust: impl FnOnce(&mut Parts),
    ) -> Result<Self, NewBackendError> {
        let volumes = tempfile::tempdir().unwrap();
        let mut config = BackendConfig::new(std::fs::read(built::agent()).unwrap());
        // What a test leaves behind is counted, and these are not its own.
        config.reserve = 0;
        for (name, access) in [("fixtures", Access::ReadOnly), ("scratch", Access::ReadWrite)] {
            let folder = volumes.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let directory = OwnedFd::from(File::open(&folder).unwrap());
            config.volumes.insert(name.to_owned(), Volume { directory, access });
        }
        let audit = AuditLog::default();
        let (folder, store) = snapshots();
        configure(&mut config);
        let mut backend = OsBackend::new(config)?;
        prepare(&mut backend);
        let mut parts = Parts {
            ceiling: fake::ceiling(),
            policies: Vec::new(),
            policy_deadline: Duration::from_secs(60),
            audit: Arc::new(audit.clone()),
            snapshots: Some(Arc::new(store)),
            backends: vec![Arc::new(backend)],
            name: unique_name(),
        };
        adjust(&mut parts);
        Ok(Self { manager: Manager::new(parts), audit, volumes, _snapshots: folder })
    }

    /// Its manager.
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// What it wrote down.
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// A run of nobody in particular.
    pub fn run(&self) -> Run {
        self.manager.begin(Subject { component: "test".into(), ..Subject::default() })
    }

    /// The host's folder of a volume.
    pub fn volume(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.volumes.path()).join(name)
    }
}

/// Tests of one process each have a host of their own.
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
