//! A command that runs: its streams, its deadline, its end.
//!
//! One task watches each process. It holds the deadline in every state that the process can be in, sends the one kill
//! that deadline, drop and shutdown share, and writes the end to the audit log.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::authority::{Authority, Underway};
use crate::backend::{Control, ExitStatus, Input, Output, Signal, Spawned};
use crate::counted::Tally;
use crate::error::{Error, Result};
use crate::lifecycle::{Lifecycle, State};
use crate::parked::Parked;
use crate::spec::Command;

/// How long a killed process group may take to be gone. Past that the sandbox is of unknown state.
const KILL_GRACE: Duration = Duration::from_secs(10);

/// A process that was started. Clones are the same process; [`Process::abandon`] is what dropping a guest's handle means.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    id: u32,
    command: Command,
    streams: Mutex<Streams>,
    control: Arc<dyn Control>,
    ended: watch::Receiver<Option<Result<ExitStatus>>>,
    kill: Notify,
}

#[derive(Default)]
struct Streams {
    stdin: Option<Input>,
    stdout: Option<Output>,
    stderr: Option<Output>,
    detached: bool,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("id", &self.0.id).finish_non_exhaustive()
    }
}

impl Process {
    /// Takes over a process that a backend has just started.
    pub(crate) fn watch(
        spawned: Spawned,
        command: Command,
        deadline: Option<Instant>,
        lifecycle: Lifecycle,
        authority: Arc<Authority>,
        underway: Underway,
    ) -> Self {
        let (ended_writer, ended) = watch::channel(None);
        let tally = Tally::new(authority, underway);
        let process = Self(Arc::new(Inner {
            id: spawned.id,
            command,
            streams: Mutex::new(Streams {
                stdin: spawned.stdin.map(|stdin| tally.count_stdin(stdin)),
                stdout: Some(tally.count_stdout(spawned.stdout)),
                stderr: Some(tally.count_stderr(spawned.stderr)),
                detached: false,
            }),
            control: spawned.control,
            ended,
            kill: Notify::new(),
        }));
        let watched = process.clone();
        tokio::spawn(async move {
            let end = watched.until_ended(deadline, &lifecycle).await;
            tally.settle(end.clone().map(Some));
            ended_writer.send_replace(Some(end));
        });
        process
    }

    /// Unique within its sandbox.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// What runs.
    pub fn command(&self) -> &Command {
        &self.0.command
    }

    /// Standard input, once, if the command was given one.
    pub fn take_stdin(&self) -> Option<Input> {
        self.0.streams.lock().stdin.take()
    }

    /// Standard output, once.
    pub fn take_stdout(&self) -> Option<Output> {
        self.0.streams.lock().stdout.take()
    }

    /// Standard error, once.
    pub fn take_stderr(&self) -> Option<Output> {
        self.0.streams.lock().stderr.take()
    }

    /// How it ended; waits until it has.
    ///
    /// # Errors
    /// `Gone`: the sandbox ended first. `Poisoned`: a kill was not obeyed. `Failed`: the backend lost sight of it.
    pub async fn wait(&self) -> Result<ExitStatus> {
        let mut ended = self.0.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(Err(Error::Gone)),
            Err(_) => Err(Error::Gone),
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.0.ended.borrow().is_some()
    }

    /// Kills the process group, without waiting.
    pub fn kill(&self) {
        self.0.kill.notify_one();
    }

    /// What dropping the last handle means: the process group is killed, unless it was detached.
    pub fn abandon(&self) {
        let streams = {
            let mut streams = self.0.streams.lock();
            if streams.detached { None } else { Some(std::mem::take(&mut *streams)) }
        };
        if streams.is_some() {
            self.kill();
        }
    }

    /// Leaves it running; its output is kept up to `limit` bytes a stream, then it waits until somebody attaches.
    pub(crate) fn detach(&self, limit: usize) {
        let mut streams = self.0.streams.lock();
        streams.detached = true;
        streams.stdin = None;
        streams.stdout = streams.stdout.take().map(|stdout| Parked::output(stdout, limit));
        streams.stderr = streams.stderr.take().map(|stderr| Parked::output(stderr, limit));
    }

    /// Takes a detached process back.
    ///
    /// # Errors
    /// `AlreadyExists`: somebody has it.
    pub(crate) fn attach(&self) -> Result<()> {
        let mut streams = self.0.streams.lock();
        if !streams.detached {
            return Err(Error::AlreadyExists);
        }
        streams.detached = false;
        Ok(())
    }

    /// Whether it was detached and nobody has attached to it.
    pub(crate) fn is_detached(&self) -> bool {
        self.0.streams.lock().detached
    }

    /// Whether it belongs into a list of processes.
    pub(crate) fn is_listed(&self) -> bool {
        self.is_detached() || !self.has_ended()
    }

    /// Sends a signal to the process group. Only after it was authorized.
    pub(crate) async fn deliver(&self, signal: Signal) -> Result<()> {
        if self.has_ended() {
            return Err(Error::Gone);
        }
        self.0.control.signal(signal).await
    }

    async fn until_ended(&self, deadline: Option<Instant>, lifecycle: &Lifecycle) -> Result<ExitStatus> {
        let ended = self.0.control.ended();
        tokio::pin!(ended);
        let expired = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let timed_out = tokio::select! {
            end = &mut ended => return settle(end, lifecycle).await,
            () = expired => true,
            () = self.0.kill.notified() => false,
        };
        // What stands still can't be killed: the kill waits for the sandbox to go on, the verdict does not.
        if lifecycle.state() == State::Paused {
            let (process, lifecycle) = (self.clone(), lifecycle.clone());
            tokio::spawn(async move {
                if lifecycle.left(State::Paused).await == State::Ready {
                    let _ = process.0.control.signal(Signal::Kill).await;
                }
            });
            return Ok(if timed_out {
                ExitStatus::TimedOut
            } else {
                ExitStatus::Signaled(Signal::Kill.number())
            });
        }
        let killed = async {
            match self.0.control.signal(Signal::Kill).await {
                // It ended in the same moment.
                Ok(()) | Err(Error::Gone) => ended.await,
                Err(error) => Err(error),
            }
        };
        match timeout(KILL_GRACE, killed).await {
            Ok(Ok(_)) if timed_out => Ok(ExitStatus::TimedOut),
            Ok(end) => settle(end, lifecycle).await,
            Err(_) => {
                lifecycle.poison().await;
                Err(Error::Poisoned)
            }
        }
    }
}

async fn settle(end: Result<ExitStatus>, lifecycle: &Lifecycle) -> Result<ExitStatus> {
    if end.as_ref().is_err_and(Error::poisons) {
        lifecycle.poison().await;
    }
    end
}
