//! Sandboxes: making them, and what is known of one.

use std::time::Duration;

use crate::bindings::mimobox::host::sandbox as host;
use crate::clock::nanoseconds;
use crate::command::Command;
use crate::error::{Error, Result};

pub use host::{EgressRule, Enforcement, EnforcementStatus, Isolation};

/// A box in which commands run. Dropping it destroys it and all that runs in it; [`close`](Self::close) also says how that went.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) handle: host::Sandbox,
}

/// What a sandbox uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Processor time so far, of all its processes.
    pub cpu_time: Duration,
    /// Bytes now.
    pub memory: u64,
    /// Bytes at most so far.
    pub memory_peak: u64,
    /// How many there are now.
    pub processes: u32,
}

impl Sandbox {
    /// Starts from the operator's defaults.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Its name in the operator's audit log.
    pub fn id(&self) -> String {
        self.handle.id()
    }

    /// What holds it.
    pub fn isolation(&self) -> Isolation {
        self.handle.isolation()
    }

    /// What of that is really in force, mechanism by mechanism.
    pub fn enforcement(&self) -> Vec<Enforcement> {
        self.handle.enforcement()
    }

    /// What it uses.
    pub async fn usage(&self) -> Result<Usage> {
        let usage = self.handle.usage().await?;
        Ok(Usage {
            cpu_time: Duration::from_nanos(usage.cpu_time),
            memory: usage.memory,
            memory_peak: usage.memory_peak,
            processes: usage.processes,
        })
    }

    /// Stops all its processes where they are.
    pub async fn pause(&self) -> Result<()> {
        self.handle.pause().await.map_err(Error::from)
    }

    /// Lets them go on.
    pub async fn resume(&self) -> Result<()> {
        self.handle.resume().await.map_err(Error::from)
    }

    /// A command to run in it. The program is looked up in the sandbox's own PATH unless it holds a slash.
    pub fn command(&self, program: impl Into<String>) -> Command<'_> {
        Command::new(self, program.into())
    }

    /// Destroys it and says how that went.
    pub async fn close(self) -> Result<()> {
        host::Sandbox::close(self.handle).await.map_err(Error::from)
    }
}

impl From<host::Sandbox> for Sandbox {
    fn from(handle: host::Sandbox) -> Self {
        Self { handle }
    }
}

/// What sandbox to make. What is not set is the operator's default; what is more than the ceiling is refused.
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `create`"]
pub struct SandboxBuilder {
    spec: host::Spec,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        let limits = host::Limits { memory: None, cpu: None, processes: None, disk: None };
        Self {
            spec: host::Spec {
                isolation: None,
                image: None,
                limits,
                environment: Vec::new(),
                mounts: Vec::new(),
                egress: Vec::new(),
                lifetime: None,
                labels: Vec::new(),
            },
        }
    }
}

impl SandboxBuilder {
    /// What must hold it.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.spec.isolation = Some(isolation);
        self
    }

    /// An image that the operator has, by name.
    pub fn image(mut self, name: impl Into<String>) -> Self {
        self.spec.image = Some(name.into());
        self
    }

    /// Bytes of memory.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.spec.limits.memory = Some(bytes);
        self
    }

    /// Processor time, in thousandths of one core.
    pub fn cpu(mut self, thousandths: u32) -> Self {
        self.spec.limits.cpu = Some(thousandths);
        self
    }

    /// Processes and threads at once.
    pub fn processes(mut self, count: u32) -> Self {
        self.spec.limits.processes = Some(count);
        self
    }

    /// Bytes that it may write.
    pub fn disk(mut self, bytes: u64) -> Self {
        self.spec.limits.disk = Some(bytes);
        self
    }

    /// A variable of every command's environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.environment.push((name.into(), value.into()));
        self
    }

    /// A volume of the operator's, by name, to read at this absolute path.
    pub fn mount(self, volume: impl Into<String>, target: impl Into<String>) -> Self {
        self.mount_as(volume.into(), target.into(), true)
    }

    /// A volume of the operator's, by name, to read and write at this absolute path.
    pub fn mount_writable(self, volume: impl Into<String>, target: impl Into<String>) -> Self {
        self.mount_as(volume.into(), target.into(), false)
    }

    fn mount_as(mut self, volume: String, target: String, read_only: bool) -> Self {
        self.spec.mounts.push(host::Mount { volume, target, read_only });
        self
    }

    /// A destination that its processes may reach through the host's proxy.
    pub fn egress(mut self, rule: EgressRule) -> Self {
        self.spec.egress.push(rule);
        self
    }

    /// It is destroyed after this long, whatever runs in it.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.spec.lifetime = Some(nanoseconds(lifetime));
        self
    }

    /// A word for policies and for the audit log.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.labels.push((name.into(), value.into()));
        self
    }

    /// Makes the sandbox.
    pub async fn create(&self) -> Result<Sandbox> {
        Ok(host::create(&self.spec).await?.into())
    }
}
