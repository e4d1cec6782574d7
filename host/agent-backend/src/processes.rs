//! The processes and sessions of one sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use mimobox_agent_client::{Client, Ended, ExitStatus as AgentStatus, Stdin};
use mimobox_sandbox::{
    CommandGrant, Control, ExitStatus, Opened, Result, Signal, Spawned, Terminal, TerminalSize,
};

use crate::command;
use crate::error::{not_signalled, not_spawned, unreachable};

/// What the kernel of a sandbox has killed for want of memory. A process that was is told from one that somebody killed by
/// this count alone.
#[async_trait]
pub trait MemoryKills: Send + Sync {
    /// How often, as far as is known without asking anybody.
    fn known(&self) -> u64;

    /// Whether it is more often than `before` by now, when something has just been killed.
    async fn exceed(&self, before: u64) -> bool;
}

/// The processes of one sandbox.
pub struct SandboxProcesses {
    client: Client,
    kills: Arc<dyn MemoryKills>,
}

impl SandboxProcesses {
    /// Those that the agent behind `client` starts.
    pub fn new(client: Client, kills: Arc<dyn MemoryKills>) -> Self {
        Self { client, kills }
    }

    /// Starts a command: `Instance::spawn`.
    ///
    /// # Errors
    /// Those of `Instance::spawn`.
    pub async fn spawn(&self, grant: CommandGrant) -> Result<Spawned> {
        let stdin = if grant.stdin { Stdin::Pipe } else { Stdin::Null };
        let kills_before = self.kills.known();
        let spawned = self.client.spawn(command::of(grant), stdin).await;
        let spawned = spawned.map_err(|error| not_spawned(&error))?;
        Ok(Spawned {
            id: spawned.id,
            stdin: spawned.stdin.map(|stdin| Box::pin(stdin) as _),
            stdout: Box::pin(spawned.stdout),
            stderr: Box::pin(spawned.stderr),
            control: self.control(spawned.id, spawned.ended, kills_before),
        })
    }

    /// Starts a command on a terminal: `Instance::open_terminal`.
    ///
    /// # Errors
    /// Those of `Instance::open_terminal`.
    pub async fn open_terminal(&self, grant: CommandGrant, size: TerminalSize) -> Result<Opened> {
        let kills_before = self.kills.known();
        let opened = self.client.open_terminal(command::on_terminal(grant), command::size(size)).await;
        let opened = opened.map_err(|error| not_spawned(&error))?;
        let control = self.control(opened.id, opened.ended, kills_before);
        Ok(Opened {
            id: opened.id,
            input: Box::pin(opened.input),
            output: Box::pin(opened.output),
            control: control.clone(),
            terminal: control,
        })
    }

    fn control(&self, id: u32, ended: Ended, kills_before: u64) -> Arc<AgentControl> {
        Arc::new(AgentControl {
            id,
            client: self.client.clone(),
            ended,
            kills: Arc::clone(&self.kills),
            kills_before,
            killed: AtomicBool::new(false),
        })
    }
}

/// The hand on one process.
struct AgentControl {
    id: u32,
    client: Client,
    ended: Ended,
    kills: Arc<dyn MemoryKills>,
    /// What the kernel had killed for want of memory when this process started.
    kills_before: u64,
    /// Whether we have killed it ourselves.
    killed: AtomicBool,
}

#[async_trait]
impl Control for AgentControl {
    async fn signal(&self, signal: Signal) -> Result<()> {
        if signal == Signal::Kill {
            self.killed.store(true, Ordering::Release);
        }
        let sent = self.client.signal(self.id, command::signal(signal)).await;
        sent.map_err(|error| not_signalled(&error))
    }

    async fn ended(&self) -> Result<ExitStatus> {
        let status = self.ended.clone().await.map_err(unreachable)?;
        Ok(match status {
            AgentStatus::Exited(code) => ExitStatus::Exited(code),
            AgentStatus::Signaled(signal)
                if signal == Signal::Kill.number() && self.was_out_of_memory().await =>
            {
                ExitStatus::OutOfMemory
            }
            AgentStatus::Signaled(signal) => ExitStatus::Signaled(signal),
        })
    }
}

#[async_trait]
impl Terminal for AgentControl {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        let resized = self.client.resize(self.id, command::size(size)).await;
        resized.map_err(|error| not_signalled(&error))
    }
}

impl AgentControl {
    /// Whether the kernel killed for want of memory while it ran, and we did not kill it.
    async fn was_out_of_memory(&self) -> bool {
        !self.killed.load(Ordering::Acquire) && self.kills.exceed(self.kills_before).await
    }
}
