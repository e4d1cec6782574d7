//! A live sandbox, as its owner sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::authority::event;
use crate::backend::{ExitStatus, Instance, Output, SandboxId, Signal, Usage};
use crate::enforcement::Enforcement;
use crate::error::{Error, Result};
use crate::grant::SandboxGrant;
use crate::lifecycle::{Lifecycle, State};
use crate::narrow;
use crate::policy::{Execution, Operation, Subject};
use crate::process::Process;
use crate::run::Owner;
use crate::spec::{Command, Isolation};
use crate::validate;

/// How much of a stream is read at once.
const CHUNK: usize = 64 * 1024;

/// A sandbox. Clones are the same sandbox; it lives until it is closed, its lifetime is over, or its run ends.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    id: SandboxId,
    grant: SandboxGrant,
    labels: Vec<(String, String)>,
    enforcement: Vec<Enforcement>,
    instance: Arc<dyn Instance>,
    lifecycle: Lifecycle,
    owner: Arc<Owner>,
    processes: Mutex<Processes>,
}

#[derive(Default)]
struct Processes {
    /// Authorized and about to start.
    starting: u32,
    /// Those that run, and detached ones that have ended and may still be attached to.
    known: BTreeMap<u32, Process>,
}

/// What a command left when it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Standard output, whole.
    pub stdout: Vec<u8>,
    /// Standard error, whole.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub status: ExitStatus,
    /// From the request to the end.
    pub elapsed: std::time::Duration,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("id", &self.0.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    pub(crate) fn new(
        id: SandboxId,
        grant: SandboxGrant,
        labels: Vec<(String, String)>,
        enforcement: Vec<Enforcement>,
        instance: Arc<dyn Instance>,
        lifecycle: Lifecycle,
        owner: Arc<Owner>,
    ) -> Self {
        let processes = Mutex::default();
        Self(Arc::new(Inner { id, grant, labels, enforcement, instance, lifecycle, owner, processes }))
    }

    /// Unique within the host and its audit log.
    pub fn id(&self) -> &SandboxId {
        &self.0.id
    }

    /// The kind of box.
    pub fn isolation(&self) -> Isolation {
        self.0.grant.isolation
    }

    /// What it was granted.
    pub fn grant(&self) -> &SandboxGrant {
        &self.0.grant
    }

    /// What was asked for and what is in force.
    pub fn enforcement(&self) -> &[Enforcement] {
        &self.0.enforcement
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        self.0.lifecycle.state()
    }

    /// What it uses now.
    ///
    /// # Errors
    /// `Gone`, `Poisoned`, `Failed`.
    pub async fn usage(&self) -> Result<Usage> {
        self.state().admits_question()?;
        self.0.instance.usage().await
    }

    /// Stops every process where it stands. Deadlines go on; their kills wait.
    ///
    /// # Errors
    /// `Gone`, `Poisoned`, `Unsupported`, `Failed`.
    pub async fn pause(&self) -> Result<()> {
        self.0.lifecycle.pause().await
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// `Gone`, `Poisoned`, `Failed`.
    pub async fn resume(&self) -> Result<()> {
        self.0.lifecycle.resume().await
    }

    /// Destroys it and all that runs in it; done when nothing is left. Closing it again is no error.
    ///
    /// # Errors
    /// `Failed`: something of it may be left; the operator's log says what.
    pub async fn close(&self) -> Result<()> {
        let closed = self.0.lifecycle.close().await;
        self.0.processes.lock().known.clear();
        closed
    }

    /// Destroys it without waiting: what dropping a guest's handle means.
    pub fn abandon(&self) {
        self.0.lifecycle.abandon();
    }

    /// Runs a command to its end and gathers its output.
    ///
    /// # Errors
    /// Those of [`Sandbox::spawn`]. `LimitReached("output")`: it wrote more than the operator lets `execute` gather, and
    /// was killed.
    pub async fn execute(&self, command: Command, stdin: Vec<u8>) -> Result<Finished> {
        let since = std::time::Instant::now();
        let process = self.spawn(command, !stdin.is_empty()).await?;
        let guard = KillOnDrop(&process);
        let limit = self.0.owner.ceiling().output;
        let feed = async {
            if let Some(mut input) = process.take_stdin() {
                // A program may well end without reading all that it was given.
                let _ = input.write_all(&stdin).await;
                let _ = input.shutdown().await;
            }
        };
        let gather = async {
            tokio::try_join!(read_all(process.take_stdout(), limit), read_all(process.take_stderr(), limit))
        };
        let gathered = tokio::select! {
            gathered = gather => gathered,
            // Feeding never ends first: a program that does not read still writes and ends.
            () = async { feed.await; std::future::pending().await } => return Err(Error::Gone),
        };
        let status = match &gathered {
            Ok(_) => process.wait().await?,
            Err(_) => {
                process.kill();
                process.wait().await?
            }
        };
        drop(guard);
        let (stdout, stderr) = gathered?;
        Ok(Finished { stdout, stderr, status, elapsed: since.elapsed() })
    }

    /// Starts a command. Its standard input is a pipe where `stdin`, and closed otherwise.
    ///
    /// # Errors
    /// `Denied`, `InvalidArgument`, `NotFound`, `PermissionDenied`, `IsADirectory`, `LimitReached`, `TimedOut`, `Gone`,
    /// `Poisoned`, `Failed`.
    pub async fn spawn(&self, command: Command, stdin: bool) -> Result<Process> {
        // A start is never cut short: where nobody waits for it any more, there may be a process all the same, and the log
        // is owed its end.
        let sandbox = self.clone();
        let start = tokio::spawn(async move { sandbox.start(command, stdin).await.map(Unclaimed::new) });
        match start.await {
            Ok(started) => started?.claim().ok_or(Error::Gone),
            Err(panicked) => Err(Error::failed(&panicked)),
        }
    }

    async fn start(&self, command: Command, stdin: bool) -> Result<Process> {
        validate::command(&command)?;
        self.state().admits_command()?;
        let inner = &self.0;
        let owner = &inner.owner;
        let place = StartingPlace::take(inner)?;
        // The deadline runs from here: it covers the policies and the start too.
        let asked = Instant::now();
        let event = event(self.subject(), Operation::Execute(self.execution(&command)), owner.history());
        let ceiling = owner.ceiling().admit_command(&command, &inner.grant.environment, stdin);
        let (grant, underway) = owner.authorize(event, ceiling, narrow::command).await?;
        owner.count_command();
        let deadline = asked.checked_add(grant.timeout);
        let started = async {
            // Policies take time, and the sandbox may have gone meanwhile.
            self.state().admits_command()?;
            inner.instance.spawn(grant).await
        };
        let spawned = match deadline {
            Some(deadline) => match timeout_at(deadline, started).await {
                Ok(spawned) => spawned,
                Err(_) => {
                    // Whether it runs or not is not known.
                    inner.lifecycle.poison().await;
                    Err(Error::TimedOut)
                }
            },
            None => started.await,
        };
        let spawned = match spawned {
            Ok(spawned) => spawned,
            Err(error) => {
                if error.poisons() {
                    inner.lifecycle.poison().await;
                }
                owner.authority().finished(&underway, &Err(error.clone()), None)?;
                return Err(error);
            }
        };
        let authority = owner.authority().clone();
        let process =
            Process::watch(spawned, command, deadline, inner.lifecycle.clone(), authority, underway);
        place.fill(process.clone());
        self.forget_when_ended(process.clone());
        Ok(process)
    }

    /// The processes that run, and detached ones that nobody has attached to.
    ///
    /// # Errors
    /// `Gone`, `Poisoned`.
    pub fn processes(&self) -> Result<Vec<Process>> {
        self.state().admits_question()?;
        Ok(self.0.processes.lock().known.values().filter(|process| process.is_listed()).cloned().collect())
    }

    /// Leaves `process` running, its output kept up to the operator's limit; gives its id, for [`Sandbox::attach`].
    pub fn detach(&self, process: &Process) -> u32 {
        let ceiling = self.0.owner.ceiling();
        let mut processes = self.0.processes.lock();
        let known = &mut processes.known;
        // One that has ended has left the table. It comes back while there is room: what it wrote takes memory.
        if known.contains_key(&process.id()) || known.len() < ceiling.commands as usize {
            process.detach(usize::try_from(ceiling.output).unwrap_or(usize::MAX));
            known.insert(process.id(), process.clone());
        } else {
            process.abandon();
        }
        process.id()
    }

    /// Takes a detached process back: its output so far, then the rest.
    ///
    /// # Errors
    /// `NotFound`: no such process. `AlreadyExists`: somebody has it.
    pub fn attach(&self, id: u32) -> Result<Process> {
        self.state().admits_question()?;
        let mut processes = self.0.processes.lock();
        let process = processes.known.get(&id).cloned().ok_or(Error::NotFound)?;
        process.attach()?;
        if process.has_ended() {
            processes.known.remove(&id);
        }
        Ok(process)
    }

    /// Sends a signal to a process's group.
    ///
    /// # Errors
    /// `Denied`, `Gone` (it has ended), `Poisoned`, `Failed`.
    pub async fn signal(&self, process: &Process, signal: Signal) -> Result<()> {
        self.state().admits_command()?;
        let owner = &self.0.owner;
        let event = event(self.subject(), Operation::Signal(signal.number()), owner.history());
        let narrow = |_: &mut Signal, narrowing: &_| narrow::nothing("signal", narrowing);
        let (grant, underway) = owner.authorize(event, Ok(signal), narrow).await?;
        let sent = process.deliver(grant.into_inner()).await;
        if sent.as_ref().is_err_and(Error::poisons) {
            self.0.lifecycle.poison().await;
        }
        owner.authority().finished(&underway, &sent.clone().map(|()| None), None)?;
        sent
    }

    /// An ended process leaves the table, unless it was detached and its output waits for somebody.
    fn forget_when_ended(&self, process: Process) {
        let sandbox = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let _ = process.wait().await;
            let Some(sandbox) = sandbox.upgrade() else { return };
            // Asked under the lock: it may be detached at this very moment.
            let mut processes = sandbox.processes.lock();
            if !process.is_detached() {
                processes.known.remove(&process.id());
            }
        });
    }

    fn subject(&self) -> Subject {
        Subject {
            sandbox: Some(self.0.id.to_string()),
            isolation: Some(self.0.grant.isolation.to_string()),
            labels: self.0.labels.clone(),
            ..self.0.owner.subject()
        }
    }

    fn execution(&self, command: &Command) -> Execution {
        Execution {
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            environment: self.0.grant.environment.iter().chain(&command.environment).cloned().collect(),
            directory: command.directory.clone(),
            user: command.user.clone(),
            terminal: false,
        }
    }
}

/// A place among the commands that may run at once.
struct StartingPlace<'a>(&'a Inner);

impl<'a> StartingPlace<'a> {
    fn take(inner: &'a Inner) -> Result<Self> {
        let mut processes = inner.processes.lock();
        let busy = processes.known.len().saturating_add(processes.starting as usize);
        if busy >= inner.owner.ceiling().commands as usize {
            return Err(Error::LimitReached("commands at once in a sandbox".into()));
        }
        processes.starting += 1;
        Ok(Self(inner))
    }

    fn fill(self, process: Process) {
        self.0.processes.lock().known.insert(process.id(), process);
    }
}

impl Drop for StartingPlace<'_> {
    fn drop(&mut self) {
        self.0.processes.lock().starting -= 1;
    }
}

/// A process that was started for somebody who may be gone by now. Dropped, it is killed.
struct Unclaimed(Option<Process>);

impl Unclaimed {
    fn new(process: Process) -> Self {
        Self(Some(process))
    }

    fn claim(mut self) -> Option<Process> {
        self.0.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            process.abandon();
        }
    }
}

/// An `execute` whose future is dropped must not leave its process behind.
struct KillOnDrop<'a>(&'a Process);

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        if !self.0.has_ended() {
            self.0.kill();
        }
    }
}

async fn read_all(output: Option<Output>, limit: u64) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let Some(mut output) = output else { return Ok(all) };
    loop {
        all.reserve(CHUNK);
        let read = output.read_buf(&mut all).await.map_err(|error| Error::failed(&error))?;
        if read == 0 {
            return Ok(all);
        }
        if all.len() as u64 > limit {
            return Err(Error::LimitReached("output".into()));
        }
    }
}
