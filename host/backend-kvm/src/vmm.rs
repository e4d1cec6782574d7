//! One VMM process: started in its cgroup, configured, spoken with, and killed and cleared up however this ends.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use mimobox_confine::Enforcement;
use mimobox_confine::cgroup::{Group, GroupLimits, HostGroups, Tolerated, Visit};
use mimobox_confine::launch::{Child, Program};
use mimobox_protocol::MACHINE_READY;
use mimobox_vmm_protocol::{Config, Event, JailLine, Request};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::runtime::Handle;

use crate::control::{Control, ControlError};
use crate::error::{DestroyError, VmmError};
use crate::log::Log;

/// What all VMMs of a backend share. Lives until the last of them is gone.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) program: Program,
    pub(crate) groups: HostGroups,
    pub(crate) tolerated: Tolerated,
    pub(crate) kvm: OwnedFd,
}

/// The files that a machine is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Of the guest's memory.
    pub(crate) memory: File,
    /// Kernel, or saved state.
    pub(crate) start: File,
    pub(crate) disks: Vec<File>,
}

/// A VMM whose guest may run. Dropping it kills it and clears up behind it, in the background where there is a runtime.
#[derive(Debug)]
pub(crate) struct Vmm {
    pub(crate) control: Control,
    pub(crate) log: Log,
    /// There until it is destroyed.
    process: Option<Process>,
}

/// A VMM that became what it was told to.
#[derive(Debug)]
pub(crate) struct Configured {
    pub(crate) vmm: Vmm,
    /// The other end of the guest's agent.
    pub(crate) agent: UnixStream,
    pub(crate) jail: Vec<JailLine>,
    pub(crate) limits: Vec<Enforcement>,
}

/// The process and its cgroups. Dropping it ends and removes them, which blocks for some milliseconds.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: Group,
    gone: bool,
    _workshop: Arc<Workshop>,
}

impl Vmm {
    /// Starts one and has it become this machine.
    pub(crate) async fn start(
        workshop: &Arc<Workshop>,
        name: String,
        limits: GroupLimits,
        config: Config,
        parts: Parts,
    ) -> Result<Configured, VmmError> {
        let (control, its_control) = Control::pair()?;
        let (agent, its_agent) = UnixStream::pair().map_err(VmmError::Watch)?;
        let (log, its_log) = pipe_with(PipeFlags::CLOEXEC).map_err(VmmError::Pair)?;
        let log = Log::new(log, MACHINE_READY).map_err(VmmError::Watch)?;
        let shared = Arc::clone(workshop);
        // If this future is dropped meanwhile, nobody takes what is started, and dropping it ends it.
        let start = move || Process::start(&shared, &name, limits, its_control.as_fd());
        let started = tokio::task::spawn_blocking(start).await.map_err(|_| VmmError::ShuttingDown)?;
        let (process, lines) = started?;
        let vmm = Self { control, log, process: Some(process) };
        let mut descriptors = vec![
            workshop.kvm.as_fd(),
            parts.memory.as_fd(),
            parts.start.as_fd(),
            its_agent.as_fd(),
            its_log.as_fd(),
        ];
        descriptors.extend(parts.disks.iter().map(AsFd::as_fd));
        vmm.control.configure(&Request::Configure(config), &descriptors).await?;
        let jail = match vmm.answer().await? {
            Event::Jailed(lines) => lines,
            _ => return Err(VmmError::Unexpected),
        };
        match vmm.answer().await? {
            Event::Configured => Ok(Configured { vmm, agent, jail, limits: lines }),
            _ => Err(VmmError::Unexpected),
        }
    }

    async fn answer(&self) -> Result<Event, VmmError> {
        refused(self.control.event().await?.event)
    }

    /// Asks for something that is answered by one event, `expected`.
    pub(crate) async fn ask(&self, request: Request, expected: &Event) -> Result<(), VmmError> {
        let event = refused(self.control.ask(request).await?.event)?;
        if event == *expected { Ok(()) } else { Err(VmmError::Unexpected) }
    }

    /// Takes the state of a paused machine, as a file.
    pub(crate) async fn save(&self) -> Result<(File, u64), VmmError> {
        let answer = self.control.ask(Request::Save).await?;
        match (refused(answer.event)?, answer.descriptor) {
            (Event::Saved { bytes }, Some(file)) => Ok((file.into(), bytes)),
            _ => Err(VmmError::Unexpected),
        }
    }

    /// What is to be ended, by whoever takes it first.
    pub(crate) fn take_process(&mut self) -> Option<Process> {
        self.process.take()
    }
}

impl Drop for Vmm {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(process))),
            Err(_) => drop(process),
        }
    }
}

fn refused(event: Event) -> Result<Event, VmmError> {
    match event {
        Event::Failed(failure) => Err(VmmError::Refused(failure)),
        event => Ok(event),
    }
}

impl Process {
    fn start(
        workshop: &Arc<Workshop>,
        name: &str,
        limits: GroupLimits,
        control: BorrowedFd<'_>,
    ) -> Result<(Self, Vec<Enforcement>), VmmError> {
        let (group, lines) =
            workshop.groups.group(name, limits, &workshop.tolerated).map_err(VmmError::Groups)?;
        match launch(&workshop.program, &group, control) {
            Ok(child) => Ok((Self { child, group, gone: false, _workshop: Arc::clone(workshop) }, lines)),
            Err(error) => {
                // The first error is the one that counts; what is left the next host removes.
                let _ = group.remove();
                Err(error)
            }
        }
    }

    /// Kills it, waits until it is gone, and removes its cgroups. Blocks.
    pub(crate) fn end(mut self) -> Result<(), DestroyError> {
        self.clear()
    }

    fn clear(&mut self) -> Result<(), DestroyError> {
        self.gone = true;
        self.child.kill().map_err(DestroyError::End)?;
        self.child.wait().map_err(DestroyError::End)?;
        self.group.remove().map_err(DestroyError::Groups)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.gone
            && let Err(error) = self.clear()
        {
            tracing::error!(cause = &error as &dyn std::error::Error, "a VMM was not cleared up");
        }
    }
}

fn launch(program: &Program, group: &Group, control: BorrowedFd<'_>) -> Result<Child, VmmError> {
    let visit = group.visit().map_err(VmmError::Groups)?;
    let child = program.start_free_in(&["mimobox-vmm"], control, group.unified()).map_err(VmmError::Launch);
    Visit::leave(visit).map_err(VmmError::Groups)?;
    child
}

impl From<ControlError> for crate::error::KvmError {
    fn from(error: ControlError) -> Self {
        Self::NoAnswer(error.to_string())
    }
}
