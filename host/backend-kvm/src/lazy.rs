//! A backend that is begun with the first microVM: a host that makes none needs neither KVM nor a kernel for them.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mimobox_sandbox::{
    Authorized, Backend, Created, Error, Isolation, Output, Result, SandboxGrant, SandboxId,
};
use tokio::sync::OnceCell;

use crate::backend::{BASE_IMAGE, KvmBackend};

/// Why it did not begin.
pub type BeginError = Box<dyn StdError + Send + Sync>;

/// Makes sandboxes of isolation `micro-vm`, once somebody asks for one.
#[derive(Clone)]
pub struct LazyKvmBackend {
    begin: Arc<dyn Fn() -> Result<KvmBackend, BeginError> + Send + Sync>,
    begun: Arc<OnceCell<KvmBackend>>,
}

impl LazyKvmBackend {
    /// Begins by `begin`, which may block. Where that fails, the sandbox is refused, and the next one tries again.
    pub fn new(begin: impl Fn() -> Result<KvmBackend, BeginError> + Send + Sync + 'static) -> Self {
        Self { begin: Arc::new(begin), begun: Arc::default() }
    }

    async fn backend(&self) -> Result<&KvmBackend> {
        let begin = || async {
            let begin = Arc::clone(&self.begin);
            tokio::task::spawn_blocking(move || begin()).await.unwrap_or_else(|error| Err(error.into()))
        };
        self.begun.get_or_try_init(begin).await.map_err(|error| {
            // Paths are the operator's: whoever asked learns that there are none.
            tracing::error!(cause = &*error as &dyn StdError, "this host makes no microVMs");
            Error::Unsupported("micro-vm: see `mimobox-host doctor`".to_owned())
        })
    }
}

impl fmt::Debug for LazyKvmBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyKvmBackend").field("begun", &self.begun.initialized()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for LazyKvmBackend {
    fn isolation(&self) -> Isolation {
        Isolation::MicroVm
    }

    fn default_image(&self) -> &str {
        BASE_IMAGE
    }

    async fn create(&self, id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created> {
        self.backend().await?.create(id, grant).await
    }

    async fn restore(
        &self,
        id: &SandboxId,
        grant: Authorized<SandboxGrant>,
        state: Output,
    ) -> Result<Created> {
        self.backend().await?.restore(id, grant, state).await
    }
}
