//! A sandbox, and what can be done with it.

use std::fmt;
use std::time::Duration;

use mimobox_sandbox::{Enforcement, Isolation, SandboxGrant, SandboxId, State, TerminalSize, Usage};
use tokio::runtime::Handle;

use crate::command::{Command, Stdin};
use crate::config::Config;
use crate::error::Result;
use crate::files::Files;
use crate::host::Host;
use crate::process::{Process, ProcessInfo};
use crate::pty::PtySession;
use crate::result::ExecuteResult;
use crate::snapshot::SandboxSnapshot;
use crate::stream::StreamReceiver;

/// A box in which untrusted programs run.
///
/// It lives until it is destroyed, dropped, or its lifetime is over; what runs in it goes with it. It belongs to the tokio
/// runtime in which it was made.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mimobox::Error> {
/// # if !mimobox_harness::can_sandbox() { return Ok(()); }
/// let sandbox = mimobox::Sandbox::new().await?;
/// let result = sandbox.execute("echo hello | tr a-z A-Z").await?;
/// assert_eq!(result.stdout_text(), "HELLO\n");
/// assert_eq!(result.exit_code, Some(0));
/// sandbox.destroy().await?;
/// # Ok(())
/// # }
/// ```
pub struct Sandbox {
    inner: mimobox_sandbox::Sandbox,
    /// Of each command that has none of its own.
    timeout: Option<Duration>,
    /// Where its tasks run: it may be dropped elsewhere.
    runtime: Handle,
    /// It ends with the last of its sandboxes.
    host: Host,
}

impl Sandbox {
    /// Makes a sandbox by the defaults: this machine's programs, read-only; 512 MiB, one core, no way out.
    ///
    /// # Errors
    /// As for [`Sandbox::with_config`].
    pub async fn new() -> Result<Self> {
        Self::with_config(&Config::default()).await
    }

    /// Makes a sandbox.
    ///
    /// # Errors
    /// `Host`, at the first sandbox of a host: it could not be started. `Denied`: by a policy, or above the host's ceiling.
    /// `NotFound`: no such image. `Unsupported`: a limit that cannot be enforced on this machine. `InvalidArgument`,
    /// `LimitReached` (sandboxes), `Failed`.
    pub async fn with_config(config: &Config) -> Result<Self> {
        config.host().await?.sandbox(config).await
    }

    pub(crate) async fn create(host: Host, config: &Config) -> Result<Self> {
        let inner = host.run().create(config.spec().clone()).await?;
        Ok(Self::adopt(inner, config.timeout(), host))
    }

    /// Takes over a sandbox of `host` that was just made. Called in the runtime where its tasks run.
    pub(crate) fn adopt(inner: mimobox_sandbox::Sandbox, timeout: Option<Duration>, host: Host) -> Self {
        Self { inner, timeout, runtime: Handle::current(), host }
    }

    /// Makes a sandbox of a snapshot, on the host that has it, asked for as the snapshot's own was. It has the files, and no
    /// process. Ceiling, policies and audit log see it as any new one.
    ///
    /// # Errors
    /// `InvalidArgument`: the snapshot is damaged. Those of [`Sandbox::with_config`].
    pub async fn restore(snapshot: &SandboxSnapshot) -> Result<Self> {
        let host = snapshot.host().clone();
        let inner = host.run().restore(snapshot.inner(), None).await?;
        Ok(Self::adopt(inner, snapshot.timeout(), host))
    }

    /// Makes a sandbox of a snapshot by what `config` says, on the host of `config`.
    ///
    /// # Errors
    /// Those of [`Sandbox::restore`]. `InvalidArgument`: another isolation or image than the snapshot's.
    pub async fn restore_with(snapshot: &SandboxSnapshot, config: &Config) -> Result<Self> {
        let host = config.host().await?;
        let inner = host.run().restore(snapshot.inner(), Some(config.spec().clone())).await?;
        Ok(Self::adopt(inner, config.timeout(), host))
    }

    /// Runs a shell line to its end: `/bin/sh -c LINE`. Pipes, variables and all else that a shell knows work; text that is
    /// not yours does not belong into it, but into an argument of [`Sandbox::run`].
    ///
    /// # Errors
    /// As for [`Sandbox::run`].
    pub async fn execute(&self, line: &str) -> Result<ExecuteResult> {
        self.run(Command::shell(line)).await
    }

    /// Runs a program to its end, without a shell in between, and gathers its output. Dropping the future kills it.
    ///
    /// # Errors
    /// That it ended badly is none. `NotFound`, `PermissionDenied`, `IsADirectory`: the program cannot be started.
    /// `LimitReached("output")`: it wrote more than the host's ceiling lets be gathered (4 MiB of each stream); what writes
    /// more wants [`Sandbox::stream`]. `Denied`, `InvalidArgument`, `TimedOut` (before it ran), `Gone`, `Poisoned`, `Failed`.
    pub async fn run(&self, command: Command) -> Result<ExecuteResult> {
        let (command, stdin) = command.within(self.timeout);
        Ok(self.inner.execute(command, stdin.into_bytes()?).await?.into())
    }

    /// Runs a shell line, and gives its output as it comes. See [`Sandbox::execute`] for what a line is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), mimobox::Error> {
    /// # if !mimobox_harness::can_sandbox() { return Ok(()); }
    /// use mimobox::StreamEvent;
    ///
    /// let sandbox = mimobox::Sandbox::new().await?;
    /// let mut events = sandbox.stream_execute("echo one; echo two >&2; exit 3").await?;
    /// while let Some(event) = events.recv().await {
    ///     match event {
    ///         StreamEvent::Stdout(bytes) => assert_eq!(bytes, "one\n"),
    ///         StreamEvent::Stderr(bytes) => assert_eq!(bytes, "two\n"),
    ///         StreamEvent::Exit(code) => assert_eq!(code, Some(3)),
    ///         StreamEvent::TimedOut => panic!("ten minutes for that?"),
    ///         StreamEvent::Failed(error) => return Err(error),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Sandbox::run`]: what comes after the start is the last event's to say.
    pub async fn stream_execute(&self, line: &str) -> Result<StreamReceiver> {
        self.stream(Command::shell(line)).await
    }

    /// Runs a program, and gives its output as it comes.
    ///
    /// # Errors
    /// As for [`Sandbox::stream_execute`].
    pub async fn stream(&self, command: Command) -> Result<StreamReceiver> {
        let (command, stdin) = command.within(self.timeout);
        let stdin = stdin.into_bytes()?;
        let process = self.inner.spawn(command, !stdin.is_empty()).await?;
        Ok(StreamReceiver::new(process, stdin))
    }

    /// Starts a program in the background.
    ///
    /// # Errors
    /// As for [`Sandbox::run`].
    pub async fn spawn(&self, command: Command) -> Result<Process> {
        let (command, stdin) = command.within(self.timeout);
        let process = self.inner.spawn(command, stdin != Stdin::Closed).await?;
        let process = Process::new(process, self.inner.clone(), self.runtime.clone());
        if let Stdin::Bytes(bytes) = stdin {
            process.feed(bytes);
        }
        Ok(process)
    }

    /// Starts a program on a terminal of its own, `columns` wide and `rows` high.
    ///
    /// # Errors
    /// As for [`Sandbox::run`]; `InvalidArgument`: no columns or no rows.
    pub async fn create_pty(&self, command: Command, columns: u16, rows: u16) -> Result<PtySession> {
        let (command, stdin) = command.within(self.timeout);
        let session = self.inner.open_terminal(command, TerminalSize { columns, rows }).await?;
        let mut session = PtySession::new(session, self.runtime.clone());
        if let Stdin::Bytes(bytes) = stdin {
            session.send_input(&bytes).await?;
        }
        Ok(session)
    }

    /// The processes that run in it, and detached ones whose output waits for somebody.
    ///
    /// # Errors
    /// `Gone`, `Poisoned`.
    pub fn processes(&self) -> Result<Vec<ProcessInfo>> {
        Ok(self.inner.processes()?.iter().map(ProcessInfo::of).collect())
    }

    /// Takes a detached process back: its output so far, then the rest.
    ///
    /// # Errors
    /// `NotFound`: no such process. `AlreadyExists`: somebody has it. `Gone`, `Poisoned`.
    pub fn attach(&self, id: u32) -> Result<Process> {
        Ok(Process::new(self.inner.attach(id)?, self.inner.clone(), self.runtime.clone()))
    }

    /// Its files, as its own programs see them.
    pub fn files(&self) -> Files<'_> {
        Files::new(&self.inner)
    }

    /// What it uses now.
    ///
    /// # Errors
    /// `Gone`, `Poisoned`, `Failed`.
    pub async fn usage(&self) -> Result<Usage> {
        Ok(self.inner.usage().await?)
    }

    /// Stops every process where it stands. Deadlines go on; their kills wait.
    ///
    /// # Errors
    /// `Unsupported`, `Gone`, `Poisoned`, `Failed`.
    pub async fn pause(&self) -> Result<()> {
        Ok(self.inner.pause().await?)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// `Gone`, `Poisoned`, `Failed`.
    pub async fn resume(&self) -> Result<()> {
        Ok(self.inner.resume().await?)
    }

    /// Saves its files; it goes on running meanwhile, so that of a file that changes the snapshot has either state.
    ///
    /// # Errors
    /// `InvalidArgument`: it is paused. `LimitReached`: the store is full. `Denied`, `TimedOut`, `Gone`, `Poisoned`, `Failed`.
    pub async fn snapshot(&self) -> Result<SandboxSnapshot> {
        let snapshot = self.host.run().take_snapshot(&self.inner).await?;
        Ok(SandboxSnapshot::new(snapshot, self.host.clone(), self.timeout))
    }

    /// Makes `count` sandboxes that have its files as they are now. Each has its own answer, in order: where the host's ceiling
    /// ends, some are there and the others are refused.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), mimobox::Error> {
    /// # if !mimobox_harness::can_sandbox() { return Ok(()); }
    /// let parent = mimobox::Sandbox::new().await?;
    /// parent.execute("seq 1 10 > /tmp/numbers").await?;
    /// for child in parent.fork(3).await? {
    ///     assert_eq!(child?.execute("wc -l < /tmp/numbers").await?.stdout_text().trim(), "10");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument`: none of them. `Denied`: more than the host may have, or by a policy. Those of [`Sandbox::snapshot`].
    pub async fn fork(&self, count: u32) -> Result<Vec<Result<Self>>> {
        let children = self.host.run().fork(&self.inner, count).await?;
        let adopt = |child| Self::adopt(child, self.timeout, self.host.clone());
        Ok(children.into_iter().map(|child| Ok(adopt(child?))).collect())
    }

    /// Destroys it and all that runs in it; done when nothing is left. Dropping it does the same in the background.
    ///
    /// # Errors
    /// `Failed`: something of it may be left.
    pub async fn destroy(self) -> Result<()> {
        Ok(self.inner.close().await?)
    }

    /// Its name in the audit log.
    pub fn id(&self) -> &SandboxId {
        self.inner.id()
    }

    /// The kind of box.
    pub fn isolation(&self) -> Isolation {
        self.inner.isolation()
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        self.inner.state()
    }

    /// What it was granted: what was asked for, under the host's ceiling and as policies narrowed it.
    pub fn grant(&self) -> &SandboxGrant {
        self.inner.grant()
    }

    /// What was asked of the kernel and what it holds, mechanism by mechanism.
    pub fn enforcement(&self) -> &[Enforcement] {
        self.inner.enforcement()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // What destroys it in the background is a task of its own runtime, which this thread may not be in.
        let _entered = self.runtime.enter();
        self.inner.abandon();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("id", self.id()).field("state", &self.state()).finish_non_exhaustive()
    }
}
