//! One live microVM, as the domain sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mimobox_agent_backend::{Destruction, MemoryKills, SandboxFiles, SandboxProcesses, without_effect};
use mimobox_agent_client::Client;
use mimobox_sandbox::{
    Authorized, CommandGrant, Error, FileTask, Files, Instance, Opened, Output, Result, Save, Spawned,
    TerminalSize, Usage,
};
use mimobox_vmm_protocol::{Event, Request, Template};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::control::{Control, ControlError};
use crate::error::{DestroyError, VmmError};
use crate::log::Log;
use crate::vmm::Vmm;

/// What keeps glibc from registers that a guest of the template `pvm` loses on a switch of tasks, and from instructions that
/// are slow there.
const TUNABLES: &str =
    "glibc.cpu.hwcaps=-XSAVE,-XSAVEC,-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-ERMS,-FSRM";
const TUNABLES_VARIABLE: &str = "GLIBC_TUNABLES";

/// A microVM.
pub(crate) struct KvmInstance {
    client: Client,
    processes: SandboxProcesses,
    files: SandboxFiles,
    control: Control,
    log: Log,
    template: Template,
    /// As its agent said last.
    processes_seen: AtomicU32,
    paused: AtomicBool,
    /// Taken by whoever destroys it first.
    vmm: Mutex<Option<Vmm>>,
    destroyed: Destruction,
}

impl KvmInstance {
    pub(crate) fn new(vmm: Vmm, client: Client, template: Template) -> Self {
        let kills = Arc::new(GuestKills(vmm.log.clone()));
        Self {
            processes: SandboxProcesses::new(client.clone(), kills),
            files: SandboxFiles::new(client.clone()),
            client,
            control: vmm.control.clone(),
            log: vmm.log.clone(),
            template,
            processes_seen: AtomicU32::new(0),
            paused: AtomicBool::new(false),
            vmm: Mutex::new(Some(vmm)),
            destroyed: Destruction::default(),
        }
    }

    /// Makes what a saved state says, before anything else is asked of it.
    pub(crate) async fn restore(&self, state: Output) -> Result<()> {
        self.files.restore(state).await
    }

    /// The grant, with what this template's guests need.
    fn adapted(&self, mut grant: CommandGrant) -> CommandGrant {
        if self.template == Template::Pvm {
            adapt(&mut grant.environment);
        }
        grant
    }

    async fn ask(&self, request: Request, expected: Event) -> Result<()> {
        match self.control.ask(request).await {
            Ok(answer) if answer.event == expected => Ok(()),
            Ok(_) => Err(Error::failed(&VmmError::Unexpected)),
            Err(ControlError::Ended(_)) => Err(Error::Gone),
            Err(error) => Err(Error::failed(&error)),
        }
    }

    /// Destroys it on a thread of its own, which nobody's impatience stops. Only the first call does anything.
    fn begin_destruction(&self) {
        let Some(mut vmm) = self.vmm.lock().take() else { return };
        // Whoever waits for an answer from the agent learns it now.
        self.client.close();
        let destroyed = self.destroyed.clone();
        let mut end = move || {
            let end = vmm.take_process().map_or(Ok(()), |process| process.end());
            destroyed.settle(end.map_err(|error: DestroyError| Error::failed(&error)));
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(end)),
            Err(_) => end(),
        }
    }
}

#[async_trait]
impl Instance for KvmInstance {
    fn files(&self) -> &dyn Files {
        &self.files
    }

    async fn spawn(&self, grant: Authorized<CommandGrant>) -> Result<Spawned> {
        self.processes.spawn(self.adapted(grant.into_inner())).await
    }

    async fn open_terminal(&self, grant: Authorized<CommandGrant>, size: TerminalSize) -> Result<Opened> {
        self.processes.open_terminal(self.adapted(grant.into_inner()), size).await
    }

    async fn save(&self, _grant: Authorized<Save>) -> Result<FileTask<Output>> {
        self.files.begin_save().await
    }

    async fn usage(&self) -> Result<Usage> {
        let answer = match self.control.ask(Request::Usage).await {
            Ok(answer) => answer.event,
            Err(ControlError::Ended(_)) => return Err(Error::Gone),
            Err(error) => return Err(without_effect(&error)),
        };
        let Event::Usage(used) = answer else { return Err(without_effect(&VmmError::Unexpected)) };
        // A machine that stands still counts nothing, and changes nothing.
        if !self.paused.load(Ordering::Acquire)
            && let Ok(usage) = self.client.usage().await
        {
            self.processes_seen.store(usage.processes, Ordering::Release);
        }
        Ok(Usage {
            cpu_time: Duration::from_nanos(used.vcpu_nanoseconds),
            memory: used.resident,
            memory_peak: used.peak,
            processes: self.processes_seen.load(Ordering::Acquire),
        })
    }

    async fn pause(&self) -> Result<()> {
        self.paused.store(true, Ordering::Release);
        let paused = self.ask(Request::Pause, Event::Paused).await;
        self.paused.store(paused.is_ok(), Ordering::Release);
        paused
    }

    async fn resume(&self) -> Result<()> {
        self.ask(Request::Resume, Event::Resumed).await?;
        self.paused.store(false, Ordering::Release);
        Ok(())
    }

    async fn ended(&self) {
        tokio::select! {
            ended = self.control.ended() => {
                if self.vmm.lock().is_some() {
                    tracing::warn!(%ended, console = self.log.tail(), "a microVM has ended by itself");
                }
            }
            _ = self.client.closed() => {}
        }
    }

    async fn destroy(&self) -> Result<()> {
        self.begin_destruction();
        self.destroyed.settled().await
    }
}

impl Drop for KvmInstance {
    fn drop(&mut self) {
        self.begin_destruction();
    }
}

/// What the guest's kernel has killed for want of memory, as its console says.
struct GuestKills(Log);

#[async_trait]
impl MemoryKills for GuestKills {
    fn known(&self) -> u64 {
        self.0.memory_kills()
    }

    async fn exceed(&self, before: u64) -> bool {
        self.0.memory_kills_exceed(before).await
    }
}

/// Joins the tunables with those that were there.
fn adapt(environment: &mut Vec<(String, String)>) {
    match environment.iter_mut().find(|(name, _)| name == TUNABLES_VARIABLE) {
        // The last of two counts.
        Some((_, value)) => *value = format!("{value}:{TUNABLES}"),
        None => environment.push((TUNABLES_VARIABLE.to_owned(), TUNABLES.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_s_own_tunables_stay() {
        let mut environment = vec![(TUNABLES_VARIABLE.to_owned(), "glibc.malloc.check=1".to_owned())];
        adapt(&mut environment);
        assert_eq!(environment, [(TUNABLES_VARIABLE.to_owned(), format!("glibc.malloc.check=1:{TUNABLES}"))]);
    }
}
