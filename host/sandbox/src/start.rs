//! Starting a command in a sandbox: on pipes, or on a terminal.
//!
//! A start is never cut short. Where nobody waits for it any more there may be a process all the same, and the log is owed
//! its end: so it runs in a task of its own, and what nobody takes is killed.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::authority::event;
use crate::backend::{Opened, Output, Spawned, Terminal, TerminalSize};
use crate::error::{Error, Result};
use crate::narrow;
use crate::policy::{Execution, Operation};
use crate::process::Process;
use crate::sandbox::{Sandbox, Table};
use crate::session::{self, Session};
use crate::spec::Command;
use crate::validate;

/// What a command's standard streams are.
#[derive(Clone, Copy, Debug)]
enum Streams {
    Pipes { stdin: bool },
    Terminal(TerminalSize),
}

/// A process, and its terminal if it was to have one.
type Started = (Process, Option<Arc<dyn Terminal>>);

impl Sandbox {
    /// Starts a command. Its standard input is a pipe where `stdin`, and closed otherwise.
    ///
    /// # Errors
    /// `Denied`, `InvalidArgument`, `NotFound`, `PermissionDenied`, `IsADirectory`, `LimitReached`, `TimedOut`, `Gone`,
    /// `Poisoned`, `Failed`.
    pub async fn spawn(&self, command: Command, stdin: bool) -> Result<Process> {
        self.start_to_the_end(command, Streams::Pipes { stdin }).await.map(|(process, _)| process)
    }

    /// Starts a command on a terminal of its own, as the leader of a session.
    ///
    /// # Errors
    /// Those of [`Sandbox::spawn`].
    pub async fn open_terminal(&self, command: Command, size: TerminalSize) -> Result<Session> {
        session::check(size)?;
        match self.start_to_the_end(command, Streams::Terminal(size)).await? {
            (process, Some(terminal)) => Ok(Session::new(process, terminal)),
            (process, None) => {
                process.abandon();
                Err(Error::Gone)
            }
        }
    }

    async fn start_to_the_end(&self, command: Command, streams: Streams) -> Result<Started> {
        let sandbox = self.clone();
        let start = tokio::spawn(async move { sandbox.start(command, streams).await.map(Unclaimed::new) });
        match start.await {
            Ok(started) => started?.claim().ok_or(Error::Gone),
            Err(panicked) => Err(Error::failed(&panicked)),
        }
    }

    async fn start(&self, command: Command, streams: Streams) -> Result<Started> {
        validate::command(&command)?;
        self.state().admits_command()?;
        let owner = self.owner();
        let place = StartingPlace::take(self.table(), owner.ceiling().commands)?;
        // The deadline runs from here: it covers the policies and the start too.
        let asked = Instant::now();
        let operation = Operation::Execute(self.execution(&command, streams));
        let event = event(self.subject(), operation, owner.history());
        let stdin = matches!(streams, Streams::Pipes { stdin: true });
        let ceiling = owner.ceiling().admit_command(&command, &self.grant().environment, stdin);
        let (grant, underway) = owner.authorize(event, ceiling, narrow::command).await?;
        owner.count_command();
        let deadline = asked.checked_add(grant.timeout);
        let started = async {
            // Policies take time, and the sandbox may have gone meanwhile.
            self.state().admits_command()?;
            match streams {
                Streams::Pipes { .. } => self.instance().spawn(grant).await.map(|spawned| (spawned, None)),
                Streams::Terminal(size) => self.instance().open_terminal(grant, size).await.map(on_terminal),
            }
        };
        let started = match deadline {
            Some(deadline) => match timeout_at(deadline, started).await {
                Ok(started) => started,
                Err(_) => {
                    // Whether it runs or not is not known.
                    self.lifecycle().poison().await;
                    Err(Error::TimedOut)
                }
            },
            None => started.await,
        };
        let (spawned, terminal) = match started {
            Ok(started) => started,
            Err(error) => {
                if error.poisons() {
                    self.lifecycle().poison().await;
                }
                owner.authority().finished(&underway, &Err(error.clone()), None)?;
                return Err(error);
            }
        };
        let authority = owner.authority().clone();
        let lifecycle = self.lifecycle().clone();
        let process = Process::watch(spawned, command, deadline, lifecycle, authority, underway);
        place.fill(process.clone());
        forget_when_ended(self.table(), process.clone());
        Ok((process, terminal))
    }

    fn execution(&self, command: &Command, streams: Streams) -> Execution {
        Execution {
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            environment: self.grant().environment.iter().chain(&command.environment).cloned().collect(),
            directory: command.directory.clone(),
            user: command.user.clone(),
            terminal: matches!(streams, Streams::Terminal(_)),
        }
    }
}

/// A terminal shows all that its processes write: there is no standard error beside it.
fn on_terminal(opened: Opened) -> (Spawned, Option<Arc<dyn Terminal>>) {
    let Opened { id, input, output, control, terminal } = opened;
    let stderr: Output = Box::pin(tokio::io::empty());
    (Spawned { id, stdin: Some(input), stdout: output, stderr, control }, Some(terminal))
}

/// An ended process leaves the table, unless it was detached and its output waits for somebody.
fn forget_when_ended(table: &Arc<Mutex<Table>>, process: Process) {
    let table = Arc::downgrade(table);
    tokio::spawn(async move {
        let _ = process.wait().await;
        let Some(table) = table.upgrade() else { return };
        // Asked under the lock: it may be detached at this very moment.
        let mut table = table.lock();
        if !process.is_detached() {
            table.known.remove(&process.id());
        }
    });
}

/// A place among the commands that may run at once.
struct StartingPlace<'a>(&'a Mutex<Table>);

impl<'a> StartingPlace<'a> {
    fn take(table: &'a Mutex<Table>, most: u32) -> Result<Self> {
        let mut locked = table.lock();
        let busy = locked.known.len().saturating_add(locked.starting as usize);
        if busy >= most as usize {
            return Err(Error::LimitReached("commands at once in a sandbox".into()));
        }
        locked.starting += 1;
        Ok(Self(table))
    }

    fn fill(self, process: Process) {
        self.0.lock().known.insert(process.id(), process);
    }
}

impl Drop for StartingPlace<'_> {
    fn drop(&mut self) {
        self.0.lock().starting -= 1;
    }
}

/// What was started for somebody who may be gone by now. Dropped, it is killed.
struct Unclaimed(Option<Started>);

impl Unclaimed {
    fn new(started: Started) -> Self {
        Self(Some(started))
    }

    fn claim(mut self) -> Option<Started> {
        self.0.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some((process, _)) = &self.0 {
            process.abandon();
        }
    }
}
