//! A saved sandbox, waited for.

use std::path::Path;

use mimobox_sandbox::{Isolation, SnapshotId};

use super::wait;
use crate::error::Result;
use crate::host::Host;

/// A saved sandbox: [`mimobox::SandboxSnapshot`](crate::SandboxSnapshot), waited for.
#[derive(Debug)]
pub struct SandboxSnapshot(pub(super) crate::SandboxSnapshot);

/// Each fails as its namesake does, and with `WithinRuntime` or `Threads`.
impl SandboxSnapshot {
    /// See [`Host::open_snapshot`].
    ///
    /// # Errors
    /// See there.
    pub fn open(host: &Host, id: &SnapshotId) -> Result<Self> {
        wait(host.open_snapshot(id))?.map(Self)
    }

    /// See [`crate::SandboxSnapshot::from_bytes`].
    ///
    /// # Errors
    /// See there.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self> {
        wait(crate::SandboxSnapshot::from_bytes(bytes))?.map(Self)
    }

    /// See [`crate::SandboxSnapshot::from_file`].
    ///
    /// # Errors
    /// See there.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        wait(crate::SandboxSnapshot::from_file(path))?.map(Self)
    }

    /// See [`crate::SandboxSnapshot::as_bytes`].
    ///
    /// # Errors
    /// See there.
    pub fn as_bytes(&self) -> Result<&[u8]> {
        wait(self.0.as_bytes())?
    }

    /// See [`crate::SandboxSnapshot::to_bytes`].
    ///
    /// # Errors
    /// See there.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        wait(self.0.to_bytes())?
    }

    /// See [`crate::SandboxSnapshot::into_bytes`].
    ///
    /// # Errors
    /// See there.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        wait(self.0.into_bytes())?
    }

    /// See [`crate::SandboxSnapshot::to_file`].
    ///
    /// # Errors
    /// See there.
    pub fn to_file(&self, path: impl AsRef<Path>) -> Result<()> {
        wait(self.0.to_file(path))?
    }

    /// See [`crate::SandboxSnapshot::delete`].
    ///
    /// # Errors
    /// See there.
    pub fn delete(self) -> Result<()> {
        wait(self.0.delete())?
    }

    /// See [`crate::SandboxSnapshot::memory_file_path`].
    pub fn memory_file_path(&self) -> Option<&Path> {
        self.0.memory_file_path()
    }

    /// See [`crate::SandboxSnapshot::size`].
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// See [`crate::SandboxSnapshot::id`].
    pub fn id(&self) -> &SnapshotId {
        self.0.id()
    }

    /// See [`crate::SandboxSnapshot::isolation`].
    pub fn isolation(&self) -> Isolation {
        self.0.isolation()
    }
}
