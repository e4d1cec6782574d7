//! Saved sandboxes: what is known of one, and where they are kept.
//!
//! ```text
//!   Run::take_snapshot ─► policies ─► audit ─► Instance::save ─► bytes ─► Draft ─ keep ─► Snapshot (has an id)
//!   Run::fork ──────────► policies ─► audit ─► Instance::save ─► bytes ─► Draft ─ hold ─► n × restore (never has one)
//!   Run::restore ───────► policies ─► audit ─► as a new sandbox: ceiling, policies, audit ─► Backend::restore
//! ```
//!
//! A snapshot holds state, never authority: what the new sandbox may do is what its restorer is granted, of which the
//! snapshot's record is no more than the request.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWrite;

use crate::backend::Output;
use crate::error::{Error, Result};
use crate::spec::{Isolation, Spec};

/// Longest id.
const MAX_ID: usize = 64;

/// Name of one snapshot, unique within its store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(Arc<str>);

impl SnapshotId {
    /// Takes letters, digits and hyphens, so that a store may use it in a file name.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn new(name: &str) -> Result<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || name.len() > MAX_ID || !name.chars().all(fits) {
            return Err(Error::invalid("snapshot", "not an id"));
        }
        Ok(Self(name.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(&name)
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// What is known of a saved sandbox besides its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Record {
    /// Which kind of box it came from: no other takes it.
    pub isolation: Isolation,
    /// The image that its files lie upon.
    pub image: String,
    /// Memory and devices, or the file system alone.
    pub memory: bool,
    /// The snapshot that its sandbox came from.
    pub parent: Option<SnapshotId>,
    /// When it was taken.
    pub created: SystemTime,
    /// What its sandbox was asked for with: what a restored one is asked for with, unless its restorer says otherwise.
    pub spec: Spec,
}

/// Where snapshots are kept. Its folder or service is the operator's; ids are all that a guest may name.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// Begins a new snapshot. Dropped before it is kept or held, nothing of it is left.
    ///
    /// # Errors
    /// `LimitReached`: the store is full. `Failed`.
    async fn begin(&self, record: Record) -> Result<Box<dyn Draft>>;

    /// Finds one.
    ///
    /// # Errors
    /// `NotFound`, `InvalidArgument` (damaged, or of another version), `Failed`.
    async fn open(&self, id: &SnapshotId) -> Result<Arc<dyn Stored>>;

    /// Takes one in that was exported, here or elsewhere. It is checked whole before it has an id; the spec in it is not
    /// believed.
    ///
    /// # Errors
    /// `InvalidArgument` (which check it fails), `LimitReached`, `Failed`.
    async fn import(&self, bytes: Output) -> Result<Arc<dyn Stored>>;

    /// All there are, in no order.
    ///
    /// # Errors
    /// `Failed`.
    async fn list(&self) -> Result<Vec<Arc<dyn Stored>>>;
}

/// A snapshot that is being written.
#[async_trait]
pub trait Draft: AsyncWrite + Send + Unpin {
    /// Keeps it under an id, for good: it outlives a crash from here on.
    ///
    /// # Errors
    /// `LimitReached` (disk), `Failed`.
    async fn keep(self: Box<Self>) -> Result<Arc<dyn Stored>>;

    /// Holds it for as long as somebody has it, and never under an id that anybody could open.
    ///
    /// # Errors
    /// `LimitReached` (disk), `Failed`.
    async fn hold(self: Box<Self>) -> Result<Arc<dyn Stored>>;
}

/// A snapshot in a store.
#[async_trait]
pub trait Stored: Send + Sync {
    /// Its name.
    fn id(&self) -> &SnapshotId;

    /// What is known of it.
    fn record(&self) -> &Record;

    /// Bytes of what [`Stored::export`] gives.
    fn size(&self) -> u64;

    /// Its state, as the backend gave it.
    ///
    /// # Errors
    /// `NotFound`: it was deleted. `InvalidArgument`: it is damaged. `Failed`.
    async fn state(&self) -> Result<Output>;

    /// The whole of it, as one stream that says itself what it is.
    ///
    /// # Errors
    /// As for [`Stored::state`].
    async fn export(&self) -> Result<Output>;

    /// Removes it. Deleting what is gone is no error.
    ///
    /// # Errors
    /// `Failed`.
    async fn delete(&self) -> Result<()>;
}

/// A saved sandbox. Clones are the same one.
#[derive(Clone)]
pub struct Snapshot(Arc<dyn Stored>);

impl Snapshot {
    pub(crate) fn new(stored: Arc<dyn Stored>) -> Self {
        Self(stored)
    }

    /// Its name, for [`Run::open_snapshot`](crate::Run::open_snapshot).
    pub fn id(&self) -> &SnapshotId {
        self.0.id()
    }

    /// What is known of it.
    pub fn record(&self) -> &Record {
        self.0.record()
    }

    /// Bytes, as [`Snapshot::read`] gives them.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// The whole of it, as one stream that says itself what it is.
    ///
    /// # Errors
    /// `NotFound`: it was deleted. `InvalidArgument`: it is damaged. `Failed`.
    pub async fn read(&self) -> Result<Output> {
        self.0.export().await
    }

    /// Removes it. Sandboxes that came from it are not touched.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn delete(&self) -> Result<()> {
        self.0.delete().await
    }

    pub(crate) fn stored(&self) -> &Arc<dyn Stored> {
        &self.0
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("id", self.id()).field("record", self.record()).finish()
    }
}
