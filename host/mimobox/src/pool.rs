//! Sandboxes made ahead of need.

use std::fmt;
use std::time::Duration;

use mimobox_sandbox::{Pool, Source};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::error::Result;
use crate::host::Host;
use crate::sandbox::Sandbox;
use crate::snapshot::SandboxSnapshot;

/// What a pool holds ready.
#[derive(Clone, Debug)]
pub struct RestorePoolConfig {
    /// How many sandboxes: they count among those that the host may have at once.
    pub pool_size: u32,
    /// What each of them is to be.
    pub base_config: Config,
}

/// Sandboxes that are ready. Each is given away once, new, and destroyed after use; another takes its place in the background.
/// Dropping the pool destroys those that nobody took.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mimobox::Error> {
/// # if !mimobox_harness::can_sandbox() { return Ok(()); }
/// use mimobox::{Config, RestorePool, RestorePoolConfig};
///
/// let pool = RestorePool::new(RestorePoolConfig { pool_size: 2, base_config: Config::default() }).await?;
/// let sandbox = pool.acquire().await?;
/// assert!(sandbox.execute("true").await?.success());
/// # Ok(())
/// # }
/// ```
pub struct RestorePool {
    /// Taken when it is dropped.
    inner: Option<Pool>,
    /// Of each command in its sandboxes.
    timeout: Option<Duration>,
    /// Where its tasks run: it may be dropped elsewhere.
    runtime: Handle,
    host: Host,
}

impl RestorePool {
    /// Begins to make the sandboxes, in the background.
    ///
    /// # Errors
    /// `Host`: it could not be started. `InvalidArgument`: none of them. `LimitReached`: more than the host may have.
    pub async fn new(config: RestorePoolConfig) -> Result<Self> {
        let RestorePoolConfig { pool_size, base_config } = config;
        let host = base_config.host().await?;
        Self::open(host, Source::Spec(base_config.spec().clone()), pool_size, base_config.timeout())
    }

    /// Begins to make `pool_size` sandboxes of a snapshot, on the host that has it, each as [`Sandbox::restore`] would.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// As for [`RestorePool::new`]. That the snapshot is damaged, [`acquire`](Self::acquire) says.
    pub fn from_snapshot(snapshot: &SandboxSnapshot, pool_size: u32) -> Result<Self> {
        let source = Source::Snapshot(snapshot.inner().clone());
        Self::open(snapshot.host().clone(), source, pool_size, snapshot.timeout())
    }

    fn open(host: Host, source: Source, size: u32, timeout: Option<Duration>) -> Result<Self> {
        let inner = Some(Pool::open(host.run(), source, size)?);
        Ok(Self { inner, timeout, runtime: Handle::current(), host })
    }

    /// Takes a sandbox that is ready, or makes one where there is none.
    ///
    /// # Errors
    /// As for [`Sandbox::with_config`] or [`Sandbox::restore`].
    pub async fn acquire(&self) -> Result<Sandbox> {
        let inner = self.inner.as_ref().ok_or(crate::Error::Gone)?;
        Ok(Sandbox::adopt(inner.acquire().await?, self.timeout, self.host.clone()))
    }

    /// How many are ready now.
    pub fn ready(&self) -> u32 {
        self.inner.as_ref().map_or(0, Pool::ready)
    }
}

impl Drop for RestorePool {
    fn drop(&mut self) {
        let _entered = self.runtime.enter();
        self.inner = None;
    }
}

impl fmt::Debug for RestorePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestorePool").field("ready", &self.ready()).finish_non_exhaustive()
    }
}
