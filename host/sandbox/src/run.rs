//! One run of a component, or one call of the command line: it owns the sandboxes that it makes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::authority::{Authority, Underway, event};
use crate::backend::{Created, SandboxId};
use crate::ceiling::Ceiling;
use crate::error::{Error, Result};
use crate::grant::{Authorized, SandboxGrant};
use crate::lifecycle::{Lifecycle, State};
use crate::manager::Shared;
use crate::narrow::{self, Unenforceable};
use crate::policy::{Creation, Event, History, Narrowing, Operation, Subject};
use crate::sandbox::{Identity, Sandbox};
use crate::snapshot::{SnapshotId, SnapshotStore, Stored};
use crate::spec::Spec;
use crate::validate;

/// One run. Dropping it destroys all that it made, in the background; [`Run::end`] waits for that.
pub struct Run {
    owner: Arc<Owner>,
}

/// Who a sandbox belongs to, and what that one has made and done so far.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    subject: Subject,
    made: Mutex<Made>,
    sandboxes: AtomicU64,
    commands: AtomicU64,
    denials: AtomicU64,
}

/// What a run has made.
#[derive(Default)]
struct Made {
    sandboxes: HashMap<SandboxId, Sandbox>,
    /// It has ended: what is made from then on, by a pool, is nobody's.
    is_over: bool,
}

/// The snapshot that a sandbox is to be made of.
pub(crate) struct Origin {
    pub(crate) stored: Arc<dyn Stored>,
    /// Its id, or its parent's where nobody can open it.
    pub(crate) id: Option<SnapshotId>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("subject", &self.owner.subject).finish_non_exhaustive()
    }
}

impl Run {
    pub(crate) fn new(shared: Arc<Shared>, subject: Subject) -> Self {
        let owner = Owner {
            shared,
            subject,
            made: Mutex::default(),
            sandboxes: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            denials: AtomicU64::new(0),
        };
        Self { owner: Arc::new(owner) }
    }

    /// What it has done so far.
    pub fn history(&self) -> History {
        self.owner.history()
    }

    /// Makes a sandbox.
    ///
    /// # Errors
    /// `Denied`, `InvalidArgument`, `NotFound` (image), `LimitReached` (sandboxes), `Unsupported` (isolation, or a limit
    /// that cannot be enforced here), `Failed`.
    pub async fn create(&self, spec: Spec) -> Result<Sandbox> {
        self.owner.create(spec, None).await
    }

    pub(crate) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    /// Destroys all that it made; done when nothing is left.
    ///
    /// # Errors
    /// `Failed`, of the first sandbox that could not be destroyed whole.
    pub async fn end(self) -> Result<()> {
        let sandboxes = self.owner.give_up();
        let closed = join_all(sandboxes.values().map(Sandbox::close)).await;
        closed.into_iter().collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for sandbox in self.owner.give_up().values() {
            sandbox.abandon();
        }
    }
}

impl Owner {
    /// Makes a sandbox: an empty one, or one that goes on from a snapshot.
    pub(crate) async fn create(self: &Arc<Self>, spec: Spec, origin: Option<Origin>) -> Result<Sandbox> {
        validate::spec(&spec)?;
        let place = Place::take(self)?;
        let ceiling = self.ceiling().admit_spec(&spec, |isolation| {
            self.shared.backend(isolation).map(|backend| backend.default_image().to_owned())
        });
        let creation = creation(&spec, ceiling.as_ref().ok());
        let subject = Subject { labels: spec.labels.clone(), ..self.subject() };
        let event = event(subject, Operation::Create(creation), self.history());
        let (grant, underway) = self.authorize(event, ceiling, narrow::sandbox).await?;
        let made = self.make(grant, spec, origin, place, &underway).await;
        let authority = self.authority();
        if let Err(recorded) =
            authority.finished(&underway, &made.as_ref().map(|_| None).map_err(Error::clone), None)
        {
            if let Ok(sandbox) = &made {
                self.made.lock().sandboxes.remove(sandbox.id());
                // The log could not take its beginning; its end is in the operator's log where that fails too.
                let _ = sandbox.close().await;
            }
            return Err(recorded);
        }
        made
    }

    async fn make(
        self: &Arc<Self>,
        grant: Authorized<SandboxGrant>,
        spec: Spec,
        origin: Option<Origin>,
        place: Place,
        underway: &Underway,
    ) -> Result<Sandbox> {
        let id = self.shared.next_id();
        let backend = self
            .shared
            .backend(grant.isolation)
            .ok_or_else(|| Error::Unsupported(format!("isolation {}", grant.isolation)))?;
        let granted = SandboxGrant::clone(&grant);
        let (created, snapshot) = match origin {
            None => (backend.create(&id, grant).await, None),
            Some(Origin { stored, id: snapshot }) => {
                let state = stored.state().await?;
                let restored = timeout(self.ceiling().timeout, backend.restore(&id, grant, state)).await;
                (restored.unwrap_or(Err(Error::TimedOut)), snapshot)
            }
        };
        let Created { instance, enforcement } = created?;
        if let Err(unrecorded) = self.authority().created(underway, &id, &granted, &enforcement) {
            let _ = instance.destroy().await;
            return Err(unrecorded);
        }
        let authority = self.authority().clone();
        let lifecycle = Lifecycle::start(id.clone(), instance.clone(), authority, granted.lifetime, place);
        let identity = Identity { id: id.clone(), grant: granted, spec, snapshot, enforcement };
        let sandbox = Sandbox::new(identity, instance, lifecycle, self.clone());
        let is_over = {
            let mut made = self.made.lock();
            // A run may make thousands, one after another.
            made.sandboxes.retain(|_, sandbox| sandbox.state() != State::Closed);
            if !made.is_over {
                made.sandboxes.insert(id, sandbox.clone());
            }
            made.is_over
        };
        if is_over {
            sandbox.close().await?;
            return Err(Error::Gone);
        }
        Ok(sandbox)
    }

    /// Takes out all that was made, for its end. Nothing more is made.
    fn give_up(&self) -> HashMap<SandboxId, Sandbox> {
        let mut made = self.made.lock();
        made.is_over = true;
        std::mem::take(&mut made.sandboxes)
    }

    pub(crate) fn store(&self) -> Option<&dyn SnapshotStore> {
        self.shared.snapshots()
    }

    pub(crate) fn subject(&self) -> Subject {
        self.subject.clone()
    }

    pub(crate) fn ceiling(&self) -> &Ceiling {
        self.shared.ceiling()
    }

    pub(crate) fn authority(&self) -> &Arc<Authority> {
        self.shared.authority()
    }

    pub(crate) fn history(&self) -> History {
        History {
            sandboxes: u32::try_from(self.sandboxes.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            commands: self.commands.load(Ordering::Relaxed),
            requests: 0,
            denials: self.denials.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn count_command(&self) {
        self.commands.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) async fn authorize<G>(
        &self,
        event: Event,
        ceiling: Result<G>,
        narrow: impl Fn(&mut G, &Narrowing) -> Result<(), Unenforceable>,
    ) -> Result<(Authorized<G>, Underway)> {
        let authorized = self.authority().authorize(event, ceiling, narrow).await;
        if let Err(Error::Denied(_)) = &authorized {
            self.denials.fetch_add(1, Ordering::Relaxed);
        }
        authorized
    }
}

/// A sandbox's place in the quotas, until nothing of it is left.
struct Place(Arc<Owner>);

impl Place {
    fn take(owner: &Arc<Owner>) -> Result<Self> {
        let ceiling = owner.ceiling();
        if owner.sandboxes.fetch_add(1, Ordering::AcqRel) >= u64::from(ceiling.sandboxes_per_run) {
            owner.sandboxes.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::LimitReached("sandboxes of one run".into()));
        }
        if !owner.shared.take_place() {
            owner.sandboxes.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::LimitReached("sandboxes of this host".into()));
        }
        Ok(Self(owner.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.shared.give_place_back();
        self.0.sandboxes.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a policy sees of a spec: as the ceiling left it, or, where the ceiling refused, as asked for.
fn creation(spec: &Spec, grant: Option<&SandboxGrant>) -> Creation {
    let asked = |isolation: Option<_>| {
        isolation.map_or_else(String::new, |isolation: crate::spec::Isolation| isolation.to_string())
    };
    Creation {
        isolation: grant.map_or_else(|| asked(spec.isolation), |grant| grant.isolation.to_string()),
        image: grant.map_or_else(|| spec.image.clone().unwrap_or_default(), |grant| grant.image.clone()),
        memory: grant.map_or(spec.limits.memory.unwrap_or(0), |grant| grant.limits.memory),
        cpu: grant.map_or(spec.limits.cpu.unwrap_or(0), |grant| grant.limits.cpu),
        processes: grant.map_or(spec.limits.processes.unwrap_or(0), |grant| grant.limits.processes),
        volumes: spec.mounts.iter().map(|mount| mount.volume.clone()).collect(),
        hosts: spec.egress.iter().map(|rule| rule.host.clone()).collect(),
    }
}
