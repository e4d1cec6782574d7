//! One live sandbox, as the domain sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use mimobox_agent_client::{Client, Ended, Stdin};
use mimobox_confine::cgroup::{CgroupError, Group};
use mimobox_sandbox::{
    Authorized, CommandGrant, Control, Error, ExitStatus, FileTask, Instance, Opened, Output, Result, Save,
    Signal, Spawned, Terminal, TerminalSize, Usage,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::command;
use crate::enclosure::Enclosure;
use crate::error::{DestroyError, without_effect};

/// A sandbox.
pub(crate) struct OsInstance {
    client: Client,
    group: Arc<Group>,
    /// Taken by whoever destroys it first.
    enclosure: Mutex<Option<Enclosure>>,
    destroyed: watch::Sender<Option<Result<()>>>,
}

impl OsInstance {
    pub(crate) fn new(enclosure: Enclosure, client: Client) -> Self {
        let group = Arc::clone(enclosure.group());
        Self { client, group, enclosure: Mutex::new(Some(enclosure)), destroyed: watch::Sender::new(None) }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn control(&self, id: u32, ended: Ended, kills_before: u64) -> Arc<OsControl> {
        let (client, group) = (self.client.clone(), Arc::clone(&self.group));
        Arc::new(OsControl { id, client, ended, group, kills_before, killed: AtomicBool::new(false) })
    }

    /// Destroys it on a thread of its own, which nobody's impatience stops. Only the first call does anything.
    fn begin_destruction(&self) {
        let Some(enclosure) = self.enclosure.lock().take() else { return };
        // Whoever waits for an answer from the agent learns it now.
        self.client.close();
        let destroyed = self.destroyed.clone();
        let tear_down = move || {
            let end = enclosure.tear_down().map_err(|error: DestroyError| Error::failed(&error));
            destroyed.send_replace(Some(end));
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(tear_down)),
            Err(_) => tear_down(),
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

#[async_trait]
impl Instance for OsInstance {
    async fn spawn(&self, grant: Authorized<CommandGrant>) -> Result<Spawned> {
        let grant = grant.into_inner();
        let stdin = if grant.stdin { Stdin::Pipe } else { Stdin::Null };
        let kills_before = self.group.memory_kills().unwrap_or(0);
        let spawned = self
            .client
            .spawn(command::of(grant), stdin)
            .await
            .map_err(|error| command::not_spawned(&error))?;
        Ok(Spawned {
            id: spawned.id,
            stdin: spawned.stdin.map(|stdin| Box::pin(stdin) as _),
            stdout: Box::pin(spawned.stdout),
            stderr: Box::pin(spawned.stderr),
            control: self.control(spawned.id, spawned.ended, kills_before),
        })
    }

    async fn open_terminal(&self, grant: Authorized<CommandGrant>, size: TerminalSize) -> Result<Opened> {
        let kills_before = self.group.memory_kills().unwrap_or(0);
        let opened = self
            .client
            .open_terminal(command::on_terminal(grant.into_inner()), command::size(size))
            .await
            .map_err(|error| command::not_spawned(&error))?;
        let control = self.control(opened.id, opened.ended, kills_before);
        Ok(Opened {
            id: opened.id,
            input: Box::pin(opened.input),
            output: Box::pin(opened.output),
            control: control.clone(),
            terminal: control,
        })
    }

    async fn save(&self, _grant: Authorized<Save>) -> Result<FileTask<Output>> {
        self.begin_save().await
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
        let mut destroyed = self.destroyed.subscribe();
        self.begin_destruction();
        match destroyed.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(Ok(())),
            Err(_) => Err(Error::failed(&DestroyError::ShuttingDown)),
        }
    }
}

impl Drop for OsInstance {
    fn drop(&mut self) {
        self.begin_destruction();
    }
}

/// The hand on one process.
struct OsControl {
    id: u32,
    client: Client,
    ended: Ended,
    group: Arc<Group>,
    /// What the kernel had killed for want of memory when this process started.
    kills_before: u64,
    /// Whether we have killed it ourselves.
    killed: AtomicBool,
}

#[async_trait]
impl Control for OsControl {
    async fn signal(&self, signal: Signal) -> Result<()> {
        if signal == Signal::Kill {
            self.killed.store(true, Ordering::Release);
        }
        let sent = self.client.signal(self.id, command::signal(signal)).await;
        sent.map_err(|error| command::not_signalled(&error))
    }

    async fn ended(&self) -> Result<ExitStatus> {
        let status = self.ended.clone().await.map_err(command::unreachable)?;
        Ok(match status {
            mimobox_agent_client::ExitStatus::Exited(code) => ExitStatus::Exited(code),
            mimobox_agent_client::ExitStatus::Signaled(signal)
                if signal == Signal::Kill.number() && self.was_out_of_memory() =>
            {
                ExitStatus::OutOfMemory
            }
            mimobox_agent_client::ExitStatus::Signaled(signal) => ExitStatus::Signaled(signal),
        })
    }
}

#[async_trait]
impl Terminal for OsControl {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        let resized = self.client.resize(self.id, command::size(size)).await;
        resized.map_err(|error| command::not_signalled(&error))
    }
}

impl OsControl {
    /// Whether the kernel killed for want of memory while it ran, and we did not kill it.
    fn was_out_of_memory(&self) -> bool {
        !self.killed.load(Ordering::Acquire)
            && self.group.memory_kills().is_ok_and(|kills| kills > self.kills_before)
    }
}
