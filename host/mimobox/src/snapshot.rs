//! Saved sandboxes.
//!
//! ```text
//!   Sandbox::snapshot ──► SandboxSnapshot ──► Sandbox::restore, RestorePool::from_snapshot
//!                           │        ▲
//!                   as_bytes, to_file│ from_bytes, from_file, Host::open_snapshot
//!                           ▼        │
//!                        bytes, here or elsewhere
//! ```
//!
//! A [`SandboxSnapshot`] is a handle: its bytes lie in the host's folder, and come into memory when they are asked for.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use mimobox_sandbox::{Isolation, Snapshot, SnapshotId};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::host::Host;

/// Largest snapshot that is taken into memory.
const LARGEST_IN_MEMORY: u64 = 256 * 1024 * 1024;
/// A snapshot may hold secrets of its sandbox.
const OWNER_ONLY: u32 = 0o600;

/// A saved sandbox: its files, and what it was asked for with. Its processes are not in it.
///
/// It stays in the host's folder until [`delete`](Self::delete), whatever becomes of this handle. It holds state, never
/// authority: a sandbox that is restored from it is asked for like any other.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mimobox::Error> {
/// # if !mimobox_harness::can_sandbox() { return Ok(()); }
/// use mimobox::{Sandbox, SandboxSnapshot};
///
/// let sandbox = Sandbox::new().await?;
/// sandbox.execute("echo ready > /tmp/state").await?;
/// let snapshot = sandbox.snapshot().await?;
///
/// let restored = Sandbox::restore(&snapshot).await?;
/// assert_eq!(restored.files().read("/tmp/state").await?, b"ready\n");
///
/// let bytes = snapshot.to_bytes().await?;
/// assert_eq!(bytes.len() as u64, snapshot.size());
/// snapshot.delete().await?;
/// let again = SandboxSnapshot::from_bytes(bytes).await?;
/// # again.delete().await?;
/// # Ok(())
/// # }
/// ```
pub struct SandboxSnapshot {
    inner: Snapshot,
    host: Host,
    /// Of each command in a sandbox that is restored from it.
    timeout: Option<Duration>,
    /// Once they were asked for.
    bytes: OnceCell<Vec<u8>>,
}

impl SandboxSnapshot {
    pub(crate) fn new(inner: Snapshot, host: Host, timeout: Option<Duration>) -> Self {
        Self { inner, host, timeout, bytes: OnceCell::new() }
    }

    /// Takes in what [`as_bytes`](Self::as_bytes) gave, here or elsewhere, on the program's shared host. The bytes are checked
    /// whole, whoever made them. Another host's is [`Host::load_snapshot`].
    ///
    /// # Errors
    /// `InvalidArgument`: which check they fail. `LimitReached`: the store is full. `Host`, `Failed`.
    pub async fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self> {
        Host::shared().await?.load_snapshot(io::Cursor::new(bytes.into())).await
    }

    /// Takes in what [`to_file`](Self::to_file) wrote, as it is read: it need not fit into memory.
    ///
    /// # Errors
    /// `File`: it cannot be opened. Those of [`SandboxSnapshot::from_bytes`].
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).await.map_err(|source| Error::file(path, source))?;
        Host::shared().await?.load_snapshot(file).await
    }

    /// All of it. They are read at the first call, and stay in memory as long as this handle. What is larger than 256 MiB
    /// wants [`to_file`](Self::to_file).
    ///
    /// # Errors
    /// `LimitReached`: it is larger. `InvalidArgument`: it is damaged. `Failed`.
    pub async fn as_bytes(&self) -> Result<&[u8]> {
        Ok(self.bytes.get_or_try_init(|| self.read()).await?)
    }

    /// A copy of what [`as_bytes`](Self::as_bytes) gives, which this handle does not keep.
    ///
    /// # Errors
    /// As for [`as_bytes`](Self::as_bytes).
    pub async fn to_bytes(&self) -> Result<Vec<u8>> {
        match self.bytes.get() {
            Some(bytes) => Ok(bytes.clone()),
            None => self.read().await,
        }
    }

    /// The same, without a copy of what this handle has in memory. The snapshot stays in its folder.
    ///
    /// # Errors
    /// As for [`as_bytes`](Self::as_bytes).
    pub async fn into_bytes(mut self) -> Result<Vec<u8>> {
        match self.bytes.take() {
            Some(bytes) => Ok(bytes),
            None => self.read().await,
        }
    }

    /// Writes all of it to a new file, which only this user can read. What could not be written whole is removed again.
    ///
    /// # Errors
    /// `File`: it is there already, or cannot be written. `InvalidArgument`: the snapshot is damaged. `Failed`.
    pub async fn to_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut bytes = self.inner.read().await?;
        let made = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path).await;
        let mut file = made.map_err(|source| Error::file(path, source))?;
        let written = copy(&mut bytes, &mut file).await;
        if written.is_err() {
            // What went wrong first is what matters.
            let _ = fs::remove_file(path).await;
        }
        written.map_err(|error| match error {
            CopyError::Read(error) => error.into(),
            CopyError::Write(source) => Error::file(path, source),
        })
    }

    /// Where the memory of its processes lies. None: it is a snapshot of files alone, as is any of [`Isolation::Os`].
    pub fn memory_file_path(&self) -> Option<&Path> {
        None
    }

    /// Bytes, as [`as_bytes`](Self::as_bytes) gives them.
    pub fn size(&self) -> u64 {
        self.inner.size()
    }

    /// Its name, for [`Host::open_snapshot`].
    pub fn id(&self) -> &SnapshotId {
        self.inner.id()
    }

    /// The kind of box that it came from, and that it is restored to.
    pub fn isolation(&self) -> Isolation {
        self.inner.record().isolation
    }

    /// Removes it from its folder, where nobody finds it any more. Other handles of it read on, and sandboxes that came from it
    /// go on.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn delete(self) -> Result<()> {
        Ok(self.inner.delete().await?)
    }

    pub(crate) fn inner(&self) -> &Snapshot {
        &self.inner
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    async fn read(&self) -> Result<Vec<u8>> {
        if self.size() > LARGEST_IN_MEMORY {
            return Err(Error::LimitReached("bytes of a snapshot in memory".to_owned()));
        }
        let mut bytes = Vec::new();
        // The store checks it against its length: no more than was looked at comes.
        self.inner.read().await?.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }
}

/// Without what it was asked for with, which may hold secrets.
impl fmt::Debug for SandboxSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxSnapshot")
            .field("id", self.id())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies the store's bytes to the disk, knowing whose failure is whose.
async fn copy(bytes: &mut (impl AsyncRead + Unpin), file: &mut File) -> Result<(), CopyError> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = bytes.read(&mut buffer).await.map_err(CopyError::Read)?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else { break };
        file.write_all(read).await.map_err(CopyError::Write)?;
    }
    file.sync_all().await.map_err(CopyError::Write)
}
