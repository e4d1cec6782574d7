//! A live sandbox, as its owner sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::authority::event;
use crate::backend::{ExitStatus, Instance, Output, SandboxId, Signal, Usage};
use crate::enforcement::Enforcement;
use crate::error::{Error, Result};
use crate::files::Places;
use crate::grant::SandboxGrant;
use crate::lifecycle::{Lifecycle, State};
use crate::narrow;
use crate::policy::{Operation, Subject};
use crate::process::Process;
use crate::run::Owner;
use crate::snapshot::{Record, SnapshotId};
use crate::spec::{Command, Isolation, Spec};

/// How much of a stream is read at once.
const CHUNK: usize = 64 * 1024;

/// A sandbox. Clones are the same sandbox; it lives until it is closed, its lifetime is over, or its run ends.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

/// What is known of a sandbox from its making on.
pub(crate) struct Identity {
    pub(crate) id: SandboxId,
    pub(crate) grant: SandboxGrant,
    /// What was asked for.
    pub(crate) spec: Spec,
    /// Where it came from.
    pub(crate) snapshot: Option<SnapshotId>,
    pub(crate) enforcement: Vec<Enforcement>,
}

struct Inner {
    identity: Identity,
    instance: Arc<dyn Instance>,
    lifecycle: Lifecycle,
    owner: Arc<Owner>,
    processes: Arc<Mutex<Table>>,
    files: Places,
}

/// The processes of a sandbox.
#[derive(Default)]
pub(crate) struct Table {
    /// Authorized and about to start.
    pub(crate) starting: u32,
    /// Those that run, and detached ones that have ended and may still be attached to.
    pub(crate) known: BTreeMap<u32, Process>,
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
            .field("id", &self.0.identity.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    pub(crate) fn new(
        identity: Identity,
        instance: Arc<dyn Instance>,
        lifecycle: Lifecycle,
        owner: Arc<Owner>,
    ) -> Self {
        let (processes, files) = Default::default();
        Self(Arc::new(Inner { identity, instance, lifecycle, owner, processes, files }))
    }

    /// Unique within the host and its audit log.
    pub fn id(&self) -> &SandboxId {
        &self.0.identity.id
    }

    /// The kind of box.
    pub fn isolation(&self) -> Isolation {
        self.0.identity.grant.isolation
    }

    /// What it was granted.
    pub fn grant(&self) -> &SandboxGrant {
        &self.0.identity.grant
    }

    /// What was asked for and what is in force.
    pub fn enforcement(&self) -> &[Enforcement] {
        &self.0.identity.enforcement
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

    pub(crate) fn subject(&self) -> Subject {
        Subject {
            sandbox: Some(self.0.identity.id.to_string()),
            isolation: Some(self.0.identity.grant.isolation.to_string()),
            labels: self.0.identity.spec.labels.clone(),
            ..self.0.owner.subject()
        }
    }

    /// What a snapshot of it says.
    pub(crate) fn record(&self) -> Record {
        let Identity { grant, spec, snapshot, .. } = &self.0.identity;
        Record {
            isolation: grant.isolation,
            image: grant.image.clone(),
            memory: false,
            parent: snapshot.clone(),
            created: SystemTime::now(),
            spec: spec.clone(),
        }
    }

    pub(crate) fn owner(&self) -> &Arc<Owner> {
        &self.0.owner
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    pub(crate) fn instance(&self) -> &dyn Instance {
        self.0.instance.as_ref()
    }

    pub(crate) fn file_places(&self) -> &Places {
        &self.0.files
    }

    pub(crate) fn table(&self) -> &Arc<Mutex<Table>> {
        &self.0.processes
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
