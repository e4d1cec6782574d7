//! The single door: every operation of every run passes the parts that are put together here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::audit::AuditSink;
use crate::authority::Authority;
use crate::backend::{Backend, SandboxId};
use crate::ceiling::Ceiling;
use crate::policy::{Policy, Subject};
use crate::run::Run;
use crate::snapshot::SnapshotStore;
use crate::spec::Isolation;

/// Makes runs. Clones are the same manager.
#[derive(Clone)]
pub struct Manager(Arc<Shared>);

/// What a manager is made of.
pub struct Parts {
    /// The operator's limits.
    pub ceiling: Ceiling,
    /// All must agree, in this order.
    pub policies: Vec<Arc<dyn Policy>>,
    /// After this long a policy has failed, whatever its runner does.
    pub policy_deadline: Duration,
    /// Where every request goes before it has an effect.
    pub audit: Arc<dyn AuditSink>,
    /// One for each isolation that can be had.
    pub backends: Vec<Arc<dyn Backend>>,
    /// Where snapshots are kept; none can be taken without.
    pub snapshots: Option<Arc<dyn SnapshotStore>>,
    /// Sets the ids of this manager's sandboxes apart from those of any other: letters and digits.
    pub name: String,
}

pub(crate) struct Shared {
    ceiling: Ceiling,
    authority: Arc<Authority>,
    backends: Vec<Arc<dyn Backend>>,
    snapshots: Option<Arc<dyn SnapshotStore>>,
    name: String,
    ids: AtomicU64,
    sandboxes: AtomicU32,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("ceiling", &self.0.ceiling).finish_non_exhaustive()
    }
}

impl Manager {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { ceiling, policies, policy_deadline, audit, backends, snapshots, name } = parts;
        Self(Arc::new(Shared {
            ceiling,
            authority: Arc::new(Authority::new(policies, policy_deadline, audit)),
            backends,
            snapshots,
            name,
            ids: AtomicU64::new(1),
            sandboxes: AtomicU32::new(0),
        }))
    }

    /// Begins a run on behalf of `subject`.
    pub fn begin(&self, subject: Subject) -> Run {
        Run::new(self.0.clone(), subject)
    }

    /// Sandboxes that there are now, those being made or destroyed among them.
    pub fn sandboxes(&self) -> u32 {
        self.0.sandboxes.load(Ordering::Acquire)
    }
}

impl Shared {
    pub(crate) fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }

    pub(crate) fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    pub(crate) fn backend(&self, isolation: Isolation) -> Option<&Arc<dyn Backend>> {
        self.backends.iter().find(|backend| backend.isolation() == isolation)
    }

    pub(crate) fn snapshots(&self) -> Option<&dyn SnapshotStore> {
        self.snapshots.as_deref()
    }

    pub(crate) fn next_id(&self) -> SandboxId {
        SandboxId::new(&format!("{}-{}", self.name, self.ids.fetch_add(1, Ordering::Relaxed)))
    }

    /// Whether there is room for one more sandbox; it is then taken.
    pub(crate) fn take_place(&self) -> bool {
        let most = self.ceiling.sandboxes;
        let room = |taken: u32| (taken < most).then(|| taken + 1);
        self.sandboxes.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok()
    }

    pub(crate) fn give_place_back(&self) {
        self.sandboxes.fetch_sub(1, Ordering::AcqRel);
    }
}
