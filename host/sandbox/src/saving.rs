//! Saving sandboxes, bringing them back, and multiplying them.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::authority::event;
use crate::backend::Output;
use crate::counted::Tally;
use crate::error::{Error, Result};
use crate::grant::{Authorized, Save};
use crate::narrow;
use crate::policy::Operation;
use crate::run::{Origin, Owner, Run};
use crate::sandbox::Sandbox;
use crate::snapshot::{Draft, Record, Snapshot, SnapshotId, SnapshotStore, Stored};
use crate::spec::Spec;

/// Children of a fork that are made at once: more only wait for each other.
const AT_ONCE: usize = 8;
/// What a saved file costs beside its bytes: its header, its name, and what fills it up to a block.
const PER_FILE: u64 = 4096;
/// Files and directories that a sandbox has at the least.
const FEWEST_FILES: u64 = 64 * 1024;

impl Run {
    /// Saves a sandbox, which goes on running.
    ///
    /// # Errors
    /// `Denied`, `Unsupported`, `LimitReached` (the store is full), `TimedOut`, `Gone`, `Poisoned`, `Failed`.
    pub async fn take_snapshot(&self, sandbox: &Sandbox) -> Result<Snapshot> {
        let store = self.store()?;
        let owner = sandbox.owner();
        sandbox.state().admits_command()?;
        let event = event(sandbox.subject(), Operation::TakeSnapshot, owner.history());
        let narrow = |_: &mut Save, narrowing: &_| narrow::nothing("take-snapshot", narrowing);
        let (grant, underway) = owner.authorize(event, Ok(Save), narrow).await?;
        let tally = Tally::new(owner.authority().clone(), underway);
        let kept = match save(sandbox, grant, &tally, store).await {
            Ok(draft) => draft.keep().await,
            Err(error) => Err(error),
        };
        tally.settle(kept.as_ref().map(|_| None).map_err(Error::clone));
        kept.map(Snapshot::new)
    }

    /// Finds a snapshot. Policies are asked as for restoring it: who may have it may read it too.
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `InvalidArgument`, `Unsupported` (there is no store), `Failed`.
    pub async fn open_snapshot(&self, id: &SnapshotId) -> Result<Snapshot> {
        let store = self.store()?;
        self.owner().admit_restore(id).await?;
        store.open(id).await.map(Snapshot::new)
    }

    /// Takes in what [`Snapshot::read`] gave, here or elsewhere. The bytes are hostile: they are checked whole.
    ///
    /// # Errors
    /// `InvalidArgument`, `LimitReached`, `Unsupported` (there is no store), `Failed`.
    pub async fn load_snapshot(&self, bytes: Output) -> Result<Snapshot> {
        self.store()?.import(bytes).await.map(Snapshot::new)
    }

    /// Makes a sandbox of a snapshot, by `spec` or else by what the snapshot's own was asked for with. It is a new one in
    /// every respect: ceiling, policies and audit log see its creation.
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `Unsupported`, and those of [`Run::create`].
    pub async fn restore(&self, snapshot: &Snapshot, spec: Option<Spec>) -> Result<Sandbox> {
        self.owner().restore(snapshot, spec).await
    }

    /// Makes `count` sandboxes that are as `sandbox` is now. Each has its own answer, in order.
    ///
    /// # Errors
    /// `InvalidArgument` (none), `LimitReached`, and those of [`Run::take_snapshot`].
    pub async fn fork(&self, sandbox: &Sandbox, count: u32) -> Result<Vec<Result<Sandbox>>> {
        if count == 0 {
            return Err(Error::invalid("count", "zero"));
        }
        let store = self.store()?;
        let owner = sandbox.owner();
        sandbox.state().admits_command()?;
        let event = event(sandbox.subject(), Operation::Fork(count), owner.history());
        let most = owner.ceiling().sandboxes_per_run;
        let ceiling = if count <= most {
            Ok(count)
        } else {
            Err(Error::denied("ceiling-fork", format!("{count} children are above the operator's {most}")))
        };
        let (count, underway) = owner.authorize(event, ceiling, narrow::fork).await?;
        let (count, grant) = count.part(Save);
        let tally = Tally::new(owner.authority().clone(), underway);
        let held = match save(sandbox, grant, &tally, store).await {
            Ok(draft) => draft.hold().await,
            Err(error) => Err(error),
        };
        tally.settle(held.as_ref().map(|_| None).map_err(Error::clone));
        let held = held?;
        let children = stream::iter(0..count)
            .map(|_| self.owner().restore_stored(&held, None, held.record().parent.clone()))
            .buffered(AT_ONCE);
        Ok(children.collect().await)
    }

    fn store(&self) -> Result<&dyn SnapshotStore> {
        self.owner().store().ok_or_else(|| Error::Unsupported("snapshots: this host keeps none".into()))
    }
}

impl Owner {
    pub(crate) async fn restore(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        spec: Option<Spec>,
    ) -> Result<Sandbox> {
        self.admit_restore(snapshot.id()).await?;
        self.restore_stored(snapshot.stored(), spec, Some(snapshot.id().clone())).await
    }

    async fn restore_stored(
        self: &Arc<Self>,
        stored: &Arc<dyn Stored>,
        spec: Option<Spec>,
        id: Option<SnapshotId>,
    ) -> Result<Sandbox> {
        let Record { isolation, image, spec: own, .. } = stored.record();
        let mut spec = spec.unwrap_or_else(|| own.clone());
        if spec.isolation.is_some_and(|asked| asked != *isolation) {
            return Err(Error::invalid("isolation", format!("the snapshot is of isolation {isolation}")));
        }
        if spec.image.as_ref().is_some_and(|asked| asked != image) {
            return Err(Error::invalid("image", format!("the snapshot's files lie upon image {image}")));
        }
        spec.isolation = Some(*isolation);
        spec.image = Some(image.clone());
        self.create(spec, Some(Origin { stored: stored.clone(), id })).await
    }

    async fn admit_restore(&self, id: &SnapshotId) -> Result<()> {
        let event = event(self.subject(), Operation::RestoreSnapshot(id.to_string()), self.history());
        let narrow = |(): &mut (), narrowing: &_| narrow::nothing("restore-snapshot", narrowing);
        let (_, underway) = self.authorize(event, Ok(()), narrow).await?;
        self.authority().finished(&underway, &Ok(None), None)
    }
}

/// Writes a sandbox's state into a new draft.
async fn save(
    sandbox: &Sandbox,
    grant: Authorized<Save>,
    tally: &Arc<Tally>,
    store: &dyn SnapshotStore,
) -> Result<Box<dyn Draft>> {
    let mut draft = store.begin(sandbox.record()).await?;
    let disk = sandbox.grant().limits.disk;
    // A sandbox whose agent is no longer ours could say bytes for ever.
    let most = disk.saturating_add((disk / PER_FILE).max(FEWEST_FILES).saturating_mul(PER_FILE));
    let mut state = sandbox.saved_state(grant, tally.clone()).await?.take(most.saturating_add(1));
    let copied = tokio::io::copy(&mut state, &mut draft).await.map_err(|error| Error::from_io(&error))?;
    if copied > most {
        return Err(Error::LimitReached("bytes of a snapshot".into()));
    }
    draft.shutdown().await.map_err(|error| Error::from_io(&error))?;
    Ok(draft)
}
