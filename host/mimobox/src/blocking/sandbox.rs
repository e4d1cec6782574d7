//! A sandbox, waited for.

use mimobox_sandbox::{Enforcement, Isolation, SandboxGrant, SandboxId, State, Usage};

use super::{Files, Process, PtySession, SandboxSnapshot, StreamReceiver, wait};
use crate::command::Command;
use crate::config::Config;
use crate::error::Result;
use crate::host::Host;
use crate::process::ProcessInfo;
use crate::result::ExecuteResult;

/// A box in which untrusted programs run: [`mimobox::Sandbox`](crate::Sandbox), waited for.
#[derive(Debug)]
pub struct Sandbox(pub(super) crate::Sandbox);

/// Each fails as its namesake does, and with `WithinRuntime` or `Threads`.
impl Sandbox {
    /// See [`crate::Sandbox::new`].
    ///
    /// # Errors
    /// See there.
    pub fn new() -> Result<Self> {
        wait(crate::Sandbox::new())?.map(Self)
    }

    /// See [`crate::Sandbox::with_config`].
    ///
    /// # Errors
    /// See there.
    pub fn with_config(config: &Config) -> Result<Self> {
        wait(crate::Sandbox::with_config(config))?.map(Self)
    }

    /// See [`Host::sandbox`].
    ///
    /// # Errors
    /// See there.
    pub fn on_host(host: &Host, config: &Config) -> Result<Self> {
        wait(host.sandbox(config))?.map(Self)
    }

    /// See [`crate::Sandbox::restore`].
    ///
    /// # Errors
    /// See there.
    pub fn restore(snapshot: &SandboxSnapshot) -> Result<Self> {
        wait(crate::Sandbox::restore(&snapshot.0))?.map(Self)
    }

    /// See [`crate::Sandbox::restore_with`].
    ///
    /// # Errors
    /// See there.
    pub fn restore_with(snapshot: &SandboxSnapshot, config: &Config) -> Result<Self> {
        wait(crate::Sandbox::restore_with(&snapshot.0, config))?.map(Self)
    }

    /// See [`crate::Sandbox::execute`].
    ///
    /// # Errors
    /// See there.
    pub fn execute(&self, line: &str) -> Result<ExecuteResult> {
        wait(self.0.execute(line))?
    }

    /// See [`crate::Sandbox::run`].
    ///
    /// # Errors
    /// See there.
    pub fn run(&self, command: Command) -> Result<ExecuteResult> {
        wait(self.0.run(command))?
    }

    /// See [`crate::Sandbox::stream_execute`].
    ///
    /// # Errors
    /// See there.
    pub fn stream_execute(&self, line: &str) -> Result<StreamReceiver> {
        wait(self.0.stream_execute(line))?.map(StreamReceiver)
    }

    /// See [`crate::Sandbox::stream`].
    ///
    /// # Errors
    /// See there.
    pub fn stream(&self, command: Command) -> Result<StreamReceiver> {
        wait(self.0.stream(command))?.map(StreamReceiver)
    }

    /// See [`crate::Sandbox::spawn`].
    ///
    /// # Errors
    /// See there.
    pub fn spawn(&self, command: Command) -> Result<Process> {
        wait(self.0.spawn(command))?.map(Process)
    }

    /// See [`crate::Sandbox::create_pty`].
    ///
    /// # Errors
    /// See there.
    pub fn create_pty(&self, command: Command, columns: u16, rows: u16) -> Result<PtySession> {
        wait(self.0.create_pty(command, columns, rows))?.map(PtySession)
    }

    /// See [`crate::Sandbox::processes`].
    ///
    /// # Errors
    /// See there.
    pub fn processes(&self) -> Result<Vec<ProcessInfo>> {
        self.0.processes()
    }

    /// See [`crate::Sandbox::attach`].
    ///
    /// # Errors
    /// See there.
    pub fn attach(&self, id: u32) -> Result<Process> {
        self.0.attach(id).map(Process)
    }

    /// See [`crate::Sandbox::files`].
    pub fn files(&self) -> Files<'_> {
        Files(self.0.files())
    }

    /// See [`crate::Sandbox::usage`].
    ///
    /// # Errors
    /// See there.
    pub fn usage(&self) -> Result<Usage> {
        wait(self.0.usage())?
    }

    /// See [`crate::Sandbox::pause`].
    ///
    /// # Errors
    /// See there.
    pub fn pause(&self) -> Result<()> {
        wait(self.0.pause())?
    }

    /// See [`crate::Sandbox::resume`].
    ///
    /// # Errors
    /// See there.
    pub fn resume(&self) -> Result<()> {
        wait(self.0.resume())?
    }

    /// See [`crate::Sandbox::snapshot`].
    ///
    /// # Errors
    /// See there.
    pub fn snapshot(&self) -> Result<SandboxSnapshot> {
        wait(self.0.snapshot())?.map(SandboxSnapshot)
    }

    /// See [`crate::Sandbox::fork`].
    ///
    /// # Errors
    /// See there.
    pub fn fork(&self, count: u32) -> Result<Vec<Result<Self>>> {
        let children = wait(self.0.fork(count))??;
        Ok(children.into_iter().map(|child| child.map(Self)).collect())
    }

    /// See [`crate::Sandbox::destroy`].
    ///
    /// # Errors
    /// See there.
    pub fn destroy(self) -> Result<()> {
        wait(self.0.destroy())?
    }

    /// See [`crate::Sandbox::id`].
    pub fn id(&self) -> &SandboxId {
        self.0.id()
    }

    /// See [`crate::Sandbox::isolation`].
    pub fn isolation(&self) -> Isolation {
        self.0.isolation()
    }

    /// See [`crate::Sandbox::state`].
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// See [`crate::Sandbox::grant`].
    pub fn grant(&self) -> &SandboxGrant {
        self.0.grant()
    }

    /// See [`crate::Sandbox::enforcement`].
    pub fn enforcement(&self) -> &[Enforcement] {
        self.0.enforcement()
    }
}
