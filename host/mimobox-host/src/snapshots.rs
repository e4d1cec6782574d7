//! The user's snapshots: where they are kept.
//!
//! The store is opened when a snapshot is first asked for: who takes none needs no state folder for it.

use std::sync::Arc;

use async_trait::async_trait;
use mimobox_sandbox::{Draft, Error, Output, Record, Result, SnapshotId, SnapshotStore, Stored};
use mimobox_snapshots::{FolderStore, StoreLimits};
use parking_lot::Mutex;

use crate::state;

/// Opens the store, which is made if there is none.
pub(crate) fn store() -> anyhow::Result<FolderStore> {
    Ok(FolderStore::open(state::snapshots()?.dir, StoreLimits::default())?)
}

/// The store, once it was asked for something.
#[derive(Default)]
pub(crate) struct SnapshotsOnDemand(Mutex<Option<Arc<FolderStore>>>);

impl SnapshotsOnDemand {
    fn store(&self) -> Result<Arc<FolderStore>> {
        let mut opened = self.0.lock();
        if let Some(store) = &*opened {
            return Ok(store.clone());
        }
        let store = store().map_err(|error| Error::failed(error.as_ref()))?;
        Ok(opened.insert(Arc::new(store)).clone())
    }
}

#[async_trait]
impl SnapshotStore for SnapshotsOnDemand {
    async fn begin(&self, record: Record) -> Result<Box<dyn Draft>> {
        self.store()?.begin(record).await
    }

    async fn open(&self, id: &SnapshotId) -> Result<Arc<dyn Stored>> {
        self.store()?.open(id).await
    }

    async fn import(&self, bytes: Output) -> Result<Arc<dyn Stored>> {
        self.store()?.import(bytes).await
    }

    async fn list(&self) -> Result<Vec<Arc<dyn Stored>>> {
        self.store()?.list().await
    }
}
