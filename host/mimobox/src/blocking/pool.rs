//! Sandboxes made ahead of need, waited for.

use super::{Sandbox, SandboxSnapshot, wait};
use crate::error::Result;
use crate::pool::RestorePoolConfig;

/// Sandboxes that are ready: [`mimobox::RestorePool`](crate::RestorePool), waited for.
#[derive(Debug)]
pub struct RestorePool(crate::RestorePool);

/// Each fails as its namesake does, and with `WithinRuntime`.
impl RestorePool {
    /// See [`crate::RestorePool::new`].
    ///
    /// # Errors
    /// See there.
    pub fn new(config: RestorePoolConfig) -> Result<Self> {
        wait(crate::RestorePool::new(config))?.map(Self)
    }

    /// See [`crate::RestorePool::from_snapshot`].
    ///
    /// # Errors
    /// See there.
    pub fn from_snapshot(snapshot: &SandboxSnapshot, pool_size: u32) -> Result<Self> {
        wait(async { crate::RestorePool::from_snapshot(&snapshot.0, pool_size) })?.map(Self)
    }

    /// See [`crate::RestorePool::acquire`].
    ///
    /// # Errors
    /// See there.
    pub fn acquire(&self) -> Result<Sandbox> {
        wait(self.0.acquire())?.map(Sandbox)
    }

    /// See [`crate::RestorePool::ready`].
    pub fn ready(&self) -> u32 {
        self.0.ready()
    }
}
