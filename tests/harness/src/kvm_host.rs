//! A manager over real microVMs, under the ceiling that the fake backend has.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mimobox_backend_kvm::{KvmBackend, KvmConfig, NewBackendError};
use mimobox_sandbox::fake::{self, AuditLog};
use mimobox_sandbox::{Isolation, Manager, Parts, Run, Subject};
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use crate::built;
use crate::requirement::{Requirement, met};
use crate::snapshots::snapshots;

/// More at once are slower than one after the other where guest kernels are emulated.
const AT_ONCE: usize = 2;

/// A host for tests. Its volume is `fixtures`, read-only; it and its snapshots go with it.
pub struct KvmHost {
    manager: Manager,
    audit: AuditLog,
    volumes: TempDir,
    _snapshots: TempDir,
    _turn: Turn,
}

impl KvmHost {
    /// With the ceiling of the fake backend and no policy; none where the machine lacks what it takes. Waits until few others
    /// of this process are there.
    pub fn start() -> Option<Self> {
        if !met(Requirement::Kvm) || !met(Requirement::Root) {
            return None;
        }
        Some(Self::try_start(|_| {}, |_| {}).unwrap())
    }

    /// After `configure` and `adjust` have been at what it is made of, and whatever the machine lacks.
    ///
    /// # Errors
    /// What the backend says.
    pub fn try_start(
        configure: impl FnOnce(&mut KvmConfig),
        adjust: impl FnOnce(&mut Parts),
    ) -> Result<Self, NewBackendError> {
        let turn = Turn::wait();
        let volumes = tempfile::tempdir().unwrap();
        let fixtures = volumes.path().join("fixtures");
        std::fs::create_dir(&fixtures).unwrap();
        let mut config = KvmConfig {
            vmm: std::fs::read(built::vmm()).unwrap(),
            kernel: File::open(built::kernel()).unwrap(),
            base_image: File::open(built::base_image()).unwrap(),
            cache: built::templates(),
            images: None,
            volumes: [("fixtures".to_owned(), OwnedFd::from(File::open(fixtures).unwrap()))].into(),
            tolerated: [].into(),
            tolerated_jail: Vec::new(),
        };
        configure(&mut config);
        let audit = AuditLog::default();
        let (folder, store) = snapshots();
        let mut ceiling = fake::ceiling();
        ceiling.isolation = vec![Isolation::MicroVm];
        // For a machine that is busy, and emulates guest kernels.
        ceiling.timeout = Duration::from_secs(600);
        ceiling.lifetime = Duration::from_secs(3600);
        let mut parts = Parts {
            ceiling,
            policies: Vec::new(),
            policy_deadline: Duration::from_secs(1),
            audit: Arc::new(audit.clone()),
            snapshots: Some(Arc::new(store)),
            backends: vec![Arc::new(KvmBackend::new(config)?)],
            name: unique_name(),
        };
        adjust(&mut parts);
        Ok(Self { manager: Manager::new(parts), audit, volumes, _snapshots: folder, _turn: turn })
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

    /// The host's folder of the volume `fixtures`.
    pub fn fixtures(&self) -> std::path::PathBuf {
        self.volumes.path().join("fixtures")
    }
}

/// Leave to have a host, among the tests of one process.
struct Turn;

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

impl Turn {
    fn wait() -> Self {
        let mut taken = TAKEN.lock();
        while *taken == AT_ONCE {
            GIVEN_BACK.wait(&mut taken);
        }
        *taken += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock() -= 1;
        GIVEN_BACK.notify_one();
    }
}

/// Tests of one process each have a host of their own.
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("k{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
