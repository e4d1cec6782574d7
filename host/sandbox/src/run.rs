//! One run of a component, or one call of the command line: it owns the sandboxes that it makes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::authority::{Authority, Underway, event};
use crate::backend::{Created, SandboxId};
use crate::ceiling::Ceiling;
use crate::error::{Error, Result};
use crate::grant::{Authorized, SandboxGrant};
use crate::lifecycle::{Lifecycle, State};
use crate::manager::Shared;
use crate::narrow::{self, Unenforceable};
use crate::policy::{Creation, Event, History, Narrowing, Operation, Subject};
use crate::sandbox::Sandbox;
use crate::spec::Spec;
use crate::validate;

/// One run. Dropping it destroys all that it made, in the background; [`Run::end`] waits for that.
pub struct Run {
    owner: Arc<Owner>,
    sandboxes: Mutex<HashMap<SandboxId, Sandbox>>,
}

/// Who a sandbox belongs to, and what that one has done so far.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    subject: Subject,
    sandboxes: AtomicU64,
    commands: AtomicU64,
    denials: AtomicU64,
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
            sandboxes: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            denials: AtomicU64::new(0),
        };
        Self { owner: Arc::new(owner), sandboxes: Mutex::default() }
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
        validate::spec(&spec)?;
        let owner = &self.owner;
        let place = Place::take(owner)?;
        let ceiling = owner.ceiling().admit_spec(&spec, |isolation| {
            owner.shared.backend(isolation).map(|backend| backend.default_image().to_owned())
        });
        let event = event(
            owner.subject(),
            Operation::Create(creation(&spec, ceiling.as_ref().ok())),
            owner.history(),
        );
        let (grant, underway) = owner.authorize(event, ceiling, narrow::sandbox).await?;
        let id = owner.shared.next_id();
        let made = self.make(id, grant, spec.labels, place, &underway).await;
        let authority = owner.authority();
        if let Err(recorded) =
            authority.finished(&underway, &made.as_ref().map(|_| None).map_err(Error::clone), None)
        {
            if let Ok(sandbox) = &made {
                self.sandboxes.lock().remove(sandbox.id());
                // The log could not take its beginning; its end is in the operator's log where that fails too.
                let _ = sandbox.close().await;
            }
            return Err(recorded);
        }
        made
    }

    async fn make(
        &self,
        id: SandboxId,
        grant: Authorized<SandboxGrant>,
        labels: Vec<(String, String)>,
        place: Place,
        underway: &Underway,
    ) -> Result<Sandbox> {
        let owner = &self.owner;
        let backend = owner
            .shared
            .backend(grant.isolation)
            .ok_or_else(|| Error::Unsupported(format!("isolation {}", grant.isolation)))?;
        let granted = SandboxGrant::clone(&grant);
        let Created { instance, enforcement } = backend.create(&id, grant).await?;
        if let Err(unrecorded) = owner.authority().created(underway, &id, &granted, &enforcement) {
            let _ = instance.destroy().await;
            return Err(unrecorded);
        }
        let authority = owner.authority().clone();
        let lifecycle = Lifecycle::start(id.clone(), instance.clone(), authority, granted.lifetime, place);
        let sandbox =
            Sandbox::new(id.clone(), granted, labels, enforcement, instance, lifecycle, owner.clone());
        let mut sandboxes = self.sandboxes.lock();
        // A run may make thousands, one after another.
        sandboxes.retain(|_, sandbox| sandbox.state() != State::Closed);
        sandboxes.insert(id, sandbox.clone());
        Ok(sandbox)
    }

    /// Destroys all that it made; done when nothing is left.
    ///
    /// # Errors
    /// `Failed`, of the first sandbox that could not be destroyed whole.
    pub async fn end(self) -> Result<()> {
        let sandboxes = std::mem::take(&mut *self.sandboxes.lock());
        let closed = join_all(sandboxes.values().map(Sandbox::close)).await;
        closed.into_iter().collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for sandbox in self.sandboxes.get_mut().values() {
            sandbox.abandon();
        }
    }
}

impl Owner {
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
