//! Where a host keeps its snapshots: a folder that is made and opened at the first need.
//!
//! Most programs take none, and owe nobody a folder for it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mimobox_sandbox::{Draft, Error, Output, Record, Result, SnapshotId, SnapshotStore, Stored};
use mimobox_snapshots::{FolderStore, OpenError, StoreLimits};
use tokio::sync::OnceCell;
use tokio::task::{JoinError, spawn_blocking};

use crate::folder::{self, FolderError, PrivateFolder};

/// Which folder it is.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// `snapshots` in the user's state folder.
    #[default]
    StateFolder,
    /// This one, which must be nobody else's.
    Given(PathBuf),
}

impl Place {
    fn open(self) -> Result<PrivateFolder, FolderError> {
        match self {
            Self::StateFolder => folder::snapshots(),
            Self::Given(path) => folder::open_private(path),
        }
    }
}

/// A store that is opened at the first need. What failed is tried again at the next.
#[derive(Debug)]
pub struct LazyStore {
    place: Place,
    opened: OnceCell<FolderStore>,
}

/// Why there is no store. It is for the operator: whoever asked for a snapshot learns no path.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// There is no folder for it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder is no store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The thread that opens it has ended early.
    #[error("failed to finish opening the snapshot store")]
    Task(#[source] JoinError),
}

impl LazyStore {
    /// One in this folder.
    pub fn at(place: Place) -> Self {
        Self { place, opened: OnceCell::new() }
    }

    async fn store(&self) -> Result<&FolderStore> {
        let opened = self.opened.get_or_try_init(|| open(self.place.clone())).await;
        opened.map_err(|error| Error::failed(&error))
    }
}

async fn open(place: Place) -> Result<FolderStore, OpenStoreError> {
    spawn_blocking(|| open_store(place)).await.map_err(OpenStoreError::Task)?
}

/// Opens the store, which is made if there is none. Blocks.
///
/// # Errors
/// `Folder`, `Store`.
pub fn open_store(place: Place) -> Result<FolderStore, OpenStoreError> {
    Ok(FolderStore::open(place.open()?.dir, StoreLimits::default())?)
}

#[async_trait]
impl SnapshotStore for LazyStore {
    async fn begin(&self, record: Record) -> Result<Box<dyn Draft>> {
        self.store().await?.begin(record).await
    }

    async fn open(&self, id: &SnapshotId) -> Result<Arc<dyn Stored>> {
        self.store().await?.open(id).await
    }

    async fn import(&self, bytes: Output) -> Result<Arc<dyn Stored>> {
        self.store().await?.import(bytes).await
    }

    async fn list(&self) -> Result<Vec<Arc<dyn Stored>>> {
        self.store().await?.list().await
    }
}
