//! Saving sandboxes, bringing them back, multiplying them.

use crate::bindings::mimobox::host::snapshot as host;
use crate::error::{Error, Result};
use crate::sandbox::Sandbox;
use crate::streams::ByteReader;

pub use host::Info;

/// The saved state of a sandbox. Dropping it keeps what is saved; [`delete`](Self::delete) does not.
#[derive(Debug)]
pub struct Snapshot {
    handle: host::Snapshot,
}

impl Sandbox {
    /// Saves its state. It goes on running.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot { handle: host::take(&self.handle).await? })
    }

    /// Makes `count` copies of it as it is now; each may fail by itself.
    pub async fn fork(&self, count: u32) -> Result<Vec<Result<Sandbox>>> {
        let children = host::fork(&self.handle, count).await?;
        Ok(children.into_iter().map(|child| child.map(Sandbox::from).map_err(Error::from)).collect())
    }
}

impl Snapshot {
    /// One that was saved before.
    pub async fn open(id: &str) -> Result<Self> {
        Ok(Self { handle: host::open(id).await? })
    }

    /// One that comes as bytes; the host checks them before they can be restored.
    pub async fn load(bytes: ByteReader) -> Result<Self> {
        Ok(Self { handle: host::load(bytes.into_stream()).await? })
    }

    /// What it is.
    pub fn info(&self) -> Info {
        self.handle.info()
    }

    /// The whole of it as bytes.
    pub fn read(&self) -> ByteReader {
        ByteReader::new(self.handle.read())
    }

    /// A new sandbox in the saved state.
    pub async fn restore(&self) -> Result<Sandbox> {
        Ok(host::restore(&self.handle).await?.into())
    }

    /// Removes it from the host.
    pub async fn delete(self) -> Result<()> {
        host::Snapshot::delete(self.handle).await.map_err(Error::from)
    }
}

/// Sandboxes restored ahead of need. One that was used is destroyed, never put back.
#[derive(Debug)]
pub struct Pool {
    handle: host::Pool,
}

impl Pool {
    /// Keeps `size` sandboxes of the snapshot ready.
    pub async fn open(snapshot: &Snapshot, size: u32) -> Result<Self> {
        Ok(Self { handle: host::Pool::open(&snapshot.handle, size).await? })
    }

    /// One of them.
    pub async fn acquire(&self) -> Result<Sandbox> {
        Ok(self.handle.acquire().await?.into())
    }

    /// How many are ready now.
    pub fn ready(&self) -> u32 {
        self.handle.ready()
    }
}
