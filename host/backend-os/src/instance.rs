//! One live sandbox, as the domain sees it.

use std::sync::Arc;

use async_trait::async_trait;
use mimobox_agent_backend::{Destruction, MemoryKills, SandboxFiles, SandboxProcesses, without_effect};
use mimobox_agent_client::Client;
use mimobox_confine::cgroup::{CgroupError, Group};
use mimobox_sandbox::{
    Authorized, CommandGrant, Error, FileTask, Files, Instance, Opened, Output, Result, Save, Spawned,
    TerminalSize, Usage,
};
use parking_lot::Mutex;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use crate::enclosure::Enclosure;
use crate::error::DestroyError;

/// A sandbox.
pub(crate) struct OsInstance {
    client: Client,
    processes: SandboxProcesses,
    files: SandboxFiles,
    group: Arc<Group>,
    /// Taken by whoever destroys it first.
    enclosure: Mutex<Option<Enclosure>>,
    destroyed: Destruction,
}

impl OsInstance {
    pub(crate) fn new(enclosure: Enclosure, client: Client) -> Self {
        let group = Arc::clone(enclosure.group());
        Self {
            processes: SandboxProcesses::new(client.clone(), Arc::new(GroupKills(Arc::clone(&group)))),
            files: SandboxFiles::new(client.clone()),
            client,
            group,
            enclosure: Mutex::new(Some(enclosure)),
            destroyed: Destruction::default(),
        }
    }

    /// Makes what a saved state says, before anything else is asked of it.
    pub(crate) async fn restore(&self, state: Output) -> Result<()> {
        self.files.restore(state).await
    }

    /// Destroys it by a task of its own, which nobody's impatience stops. Only the first call does anything.
    fn begin_destruction(&self) {
        let Some(enclosure) = self.enclosure.lock().take() else { return };
        let killed = enclosure.kill();
        // Whoever waits for an answer from the agent learns it now.
        self.client.close();
        let destroyed = self.destroyed.clone();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                let end = match killed {
                    Ok(()) => ended(&enclosure).await,
                    failed => failed,
                };
                destroyed.settle(end.map_err(|error| Error::failed(&error)));
            })),
            Err(_) => {
                // Waits for its end.
                drop(enclosure);
                destroyed.settle(Ok(()));
            }
        }
    }

    /// Does what blocks for a while on a thread for that. `failed` tells what a failure means.
    async fn with_group<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Group) -> Result<T, CgroupError> + Send + 'static,
        failed: impl FnOnce(&(dyn std::error::Error + 'static)) -> Error + Send,
    ) -> Result<T> {
        let group = Arc::clone(&self.group);
        let done = tokio::task::spawn_blocking(move || work(&group)).await;
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(CgroupError::NoController(operation))) => Err(Error::Unsupported(operation.to_owned())),
            // The groups go with the sandbox.
            Ok(Err(_)) if self.enclosure.lock().is_none() => Err(Error::Gone),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(Error::Gone),
        }
    }
}

/// Waits until nothing of a sandbox that was killed runs any more.
async fn ended(enclosure: &Enclosure) -> Result<(), DestroyError> {
    let Some(handle) = enclosure.handle() else { return Ok(()) };
    #[allow(
        deprecated,
        reason = "its successor is unsafe; what `handle` borrows stays open, under the same number"
    )]
    let handle = AsyncFd::with_interest(handle, Interest::READABLE).map_err(DestroyError::Wait)?;
    handle.readable().await.map(drop).map_err(DestroyError::Wait)
}

#[async_trait]
impl Instance for OsInstance {
    fn files(&self) -> &dyn Files {
        &self.files
    }

    async fn spawn(&self, grant: Authorized<CommandGrant>) -> Result<Spawned> {
        self.processes.spawn(grant.into_inner()).await
    }

    async fn open_terminal(&self, grant: Authorized<CommandGrant>, size: TerminalSize) -> Result<Opened> {
        self.processes.open_terminal(grant.into_inner(), size).await
    }

    async fn save(&self, _grant: Authorized<Save>) -> Result<FileTask<Output>> {
        self.files.begin_save().await
    }

    async fn usage(&self) -> Result<Usage> {
        let used = self.with_group(Group::usage, without_effect).await?;
        Ok(Usage {
            cpu_time: used.cpu_time,
            memory: used.memory,
            memory_peak: used.memory_peak,
            processes: u32::try_from(used.processes).unwrap_or(u32::MAX),
        })
    }

    async fn pause(&self) -> Result<()> {
        self.with_group(Group::freeze, Error::failed).await
    }

    async fn resume(&self) -> Result<()> {
        self.with_group(Group::thaw, Error::failed).await
    }

    async fn ended(&self) {
        self.client.closed().await;
    }

    async fn destroy(&self) -> Result<()> {
        self.begin_destruction();
        self.destroyed.settled().await
    }
}

impl Drop for OsInstance {
    fn drop(&mut self) {
        self.begin_destruction();
    }
}

/// What the kernel counts for a sandbox's group: there is nobody to ask.
struct GroupKills(Arc<Group>);

#[async_trait]
impl MemoryKills for GroupKills {
    fn known(&self) -> u64 {
        self.0.memory_kills().unwrap_or(0)
    }

    async fn exceed(&self, before: u64) -> bool {
        self.known() > before
    }
}
