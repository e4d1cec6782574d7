//! The store: what a host opens once and hands to the domain.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cap_std::fs::Dir;
use mimobox_sandbox::{Draft, Output, Record, Result, SnapshotId, SnapshotStore, Stored};
use tokio::task::spawn_blocking;

use crate::draft::FolderDraft;
use crate::error::StoreError;
use crate::folder;
use crate::import;
use crate::staging;
use crate::stored::{FolderSnapshot, Verified};

/// How much a store takes. Other hosts that use its folder count too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of all snapshots together, those among them that this host is writing or forks from.
    pub bytes: u64,
    /// How many are kept.
    pub snapshots: u64,
    /// Bytes of any one.
    pub one: u64,
}

/// 64 GiB in 1000 snapshots, none above 16 GiB.
impl Default for StoreLimits {
    fn default() -> Self {
        Self { bytes: 64 << 30, snapshots: 1000, one: 16 << 30 }
    }
}

/// What a store holds, damaged files among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How many are kept.
    pub snapshots: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Looking for what hosts left behind that ended in the middle.
    #[error("failed to sweep the snapshot store")]
    Sweep(#[source] io::Error),
}

/// A folder of snapshots. Clones are the same one.
#[derive(Clone, Debug)]
pub struct FolderStore(Arc<Shared>);

/// What the store shares with its drafts and snapshots.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: Arc<Dir>,
    pub(crate) limits: StoreLimits,
    /// Bytes that this process holds in files without a name.
    unnamed: AtomicU64,
    pub(crate) verified: Verified,
}

impl FolderStore {
    /// Uses a folder that only this host's user can write to, and sweeps it. Blocks for a moment.
    ///
    /// # Errors
    /// The step that failed.
    pub fn open(folder: Dir, limits: StoreLimits) -> Result<Self, OpenError> {
        staging::sweep(&folder).map_err(|error| OpenError::Sweep(io::Error::other(error)))?;
        let most = usize::try_from(limits.snapshots).unwrap_or(usize::MAX);
        Ok(Self(Arc::new(Shared {
            folder: Arc::new(folder),
            limits,
            unnamed: AtomicU64::new(0),
            verified: Verified::at_most(most),
        })))
    }

    /// What is kept now.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn usage(&self) -> Result<Usage> {
        let shared = self.0.clone();
        let (snapshots, bytes) = blocking(move || folder::usage(&shared.folder)).await?;
        Ok(Usage { snapshots, bytes })
    }

    /// Deletes a snapshot without opening it, so one that is damaged too. That there is none is no error.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn delete(&self, id: &SnapshotId) -> Result<()> {
        let (shared, id) = (self.0.clone(), id.clone());
        Ok(blocking(move || folder::delete(&shared.folder, &id)).await?)
    }
}

#[async_trait]
impl SnapshotStore for FolderStore {
    async fn begin(&self, record: Record) -> Result<Box<dyn Draft>> {
        Ok(Box::new(FolderDraft::begin(self.0.clone(), record, 0).await?))
    }

    async fn open(&self, id: &SnapshotId) -> Result<Arc<dyn Stored>> {
        let (shared, id) = (self.0.clone(), id.clone());
        Ok(Arc::new(blocking(move || FolderSnapshot::open(&shared, &id)).await?))
    }

    async fn import(&self, bytes: Output) -> Result<Arc<dyn Stored>> {
        Ok(Arc::new(import::import(self.0.clone(), bytes).await?))
    }

    /// One that is damaged is left out, and named in the operator's log.
    async fn list(&self) -> Result<Vec<Arc<dyn Stored>>> {
        let shared = self.0.clone();
        Ok(blocking(move || list(&shared)).await?)
    }
}

fn list(shared: &Arc<Shared>) -> Result<Vec<Arc<dyn Stored>>, StoreError> {
    let mut found: Vec<Arc<dyn Stored>> = Vec::new();
    for id in folder::ids(&shared.folder)? {
        match FolderSnapshot::open(shared, &id) {
            Ok(snapshot) => found.push(Arc::new(snapshot.closed())),
            // Another host deleted it meanwhile.
            Err(StoreError::NotFound) => {}
            Err(StoreError::Format(error)) => tracing::warn!(%id, %error, "a snapshot is damaged"),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Bytes in a file without a name, counted against the store's limits for as long as this lives.
#[derive(Debug)]
pub(crate) struct Charge {
    shared: Arc<Shared>,
    /// What was kept when this began. [`Shared::has_room`] looks again before anything is named.
    kept: u64,
    own: u64,
}

impl Charge {
    pub(crate) fn new(shared: Arc<Shared>, kept: u64) -> Self {
        Self { shared, kept, own: 0 }
    }

    /// Whether so many bytes more would fit in.
    pub(crate) fn admits(&self, bytes: u64) -> Result<(), StoreError> {
        let all = self.shared.unnamed.load(Ordering::Relaxed).saturating_add(bytes);
        self.shared.has_room(self.kept, all, self.own.saturating_add(bytes))
    }

    pub(crate) fn add(&mut self, bytes: u64) -> Result<(), StoreError> {
        let all = self.shared.unnamed.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.own = self.own.saturating_add(bytes);
        self.shared.has_room(self.kept, all, self.own)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shared.unnamed.fetch_sub(self.own, Ordering::Relaxed);
    }
}

impl Shared {
    /// Whether one snapshot of `size` bytes fits in, beside those that are kept and with all that are not.
    pub(crate) fn has_room(&self, kept: u64, unnamed: u64, size: u64) -> Result<(), StoreError> {
        if size > self.limits.one {
            return Err(StoreError::Limit("bytes of a snapshot"));
        }
        if kept.saturating_add(unnamed) > self.limits.bytes {
            return Err(StoreError::Limit("bytes of snapshots"));
        }
        Ok(())
    }
}

/// Does file work where it may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.map_err(StoreError::Task)?
}
