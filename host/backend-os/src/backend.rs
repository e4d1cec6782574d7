//! Makes sandboxes.

use std::sync::Arc;

use async_trait::async_trait;
use mimobox_agent_backend::reported;
use mimobox_agent_client::{Client, Options};
#[cfg(feature = "weaken")]
use mimobox_confine::Plan;
use mimobox_sandbox::{
    Authorized, Backend, Created, Enforcement, Isolation, Output, Result, SandboxGrant, SandboxId,
};

use crate::config::BackendConfig;
use crate::enclosure::Ready;
use crate::error::{CreateError, NewBackendError};
use crate::instance::OsInstance;
use crate::plan::HOST_IMAGE;
use crate::reserve::Reserve;
use crate::supplies::{Supplies, names_attachments};

/// Makes sandboxes of isolation `os`.
#[derive(Debug)]
pub struct OsBackend {
    /// Goes before what its sandboxes are made of.
    reserve: Reserve,
    supplies: Arc<Supplies>,
}

#[cfg(feature = "weaken")]
impl OsBackend {
    /// Lets `change` at the plan of every sandbox: only so can a test show that an attempt is stopped by the mechanism that
    /// it takes away, and not by a mistake in the attempt.
    pub fn weaken(&mut self, change: fn(&mut Plan)) {
        self.supplies.weaken(change);
    }
}

impl OsBackend {
    /// Loads the agent, compiles the filters, and makes this host's cgroups after removing those of hosts that died.
    ///
    /// # Errors
    /// Each variant of [`NewBackendError`] is a step.
    pub fn new(config: BackendConfig) -> Result<Self, NewBackendError> {
        let depth = config.reserve;
        let supplies = Arc::new(Supplies::gather(config)?);
        Ok(Self { reserve: Reserve::new(depth, Arc::clone(supplies.workshop())), supplies })
    }

    async fn make(
        &self,
        id: String,
        grant: SandboxGrant,
    ) -> Result<(OsInstance, Vec<Enforcement>), CreateError> {
        let supplies = Arc::clone(&self.supplies);
        let ready = if names_attachments(&grant) {
            blocking(move || supplies.make(&supplies.order(id, &grant)?)).await?
        } else {
            let order = supplies.order(id, &grant)?;
            match self.reserve.take(&order) {
                Some(ready) => ready,
                None => blocking(move || supplies.make(&order)).await?,
            }
        };
        let Ready { enclosure, connection, enforcement } = ready;
        let client = Client::connect(connection, Options::default()).await.map_err(CreateError::Connect)?;
        Ok((OsInstance::new(enclosure, client), enforcement.into_iter().map(reported).collect()))
    }
}

#[async_trait]
impl Backend for OsBackend {
    fn isolation(&self) -> Isolation {
        Isolation::Os
    }

    fn default_image(&self) -> &str {
        HOST_IMAGE
    }

    async fn create(&self, id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created> {
        let (instance, enforcement) = self.make(id.to_string(), grant.into_inner()).await?;
        Ok(Created { instance: Arc::new(instance), enforcement })
    }

    async fn restore(
        &self,
        id: &SandboxId,
        grant: Authorized<SandboxGrant>,
        state: Output,
    ) -> Result<Created> {
        // Dropped where that fails, and all of it is undone.
        let (instance, enforcement) = self.make(id.to_string(), grant.into_inner()).await?;
        instance.restore(state).await?;
        Ok(Created { instance: Arc::new(instance), enforcement })
    }
}

/// Does what blocks on a thread for that. If this future is dropped meanwhile, nobody takes what is made, and dropping it
/// undoes it.
async fn blocking<T: Send + 'static>(
    make: impl FnOnce() -> Result<T, CreateError> + Send + 'static,
) -> Result<T, CreateError> {
    tokio::task::spawn_blocking(make).await.map_err(|_| CreateError::ShuttingDown)?
}
