//! A command on a pseudo-terminal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{ExitStatus, Input, Output, Signal, Terminal, TerminalSize};
use crate::error::{Error, Result};
use crate::process::Process;
use crate::spec::Command;

/// How long a session that was hung up may go on: a shell saves its history in far less.
const HANG_UP_GRACE: Duration = Duration::from_secs(1);

/// A session: a command, what it started, and the terminal that they share. Clones are the same session;
/// [`Session::abandon`] is what dropping a guest's handle means.
#[derive(Clone)]
pub struct Session {
    process: Process,
    terminal: Arc<dyn Terminal>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(process: Process, terminal: Arc<dyn Terminal>) -> Self {
        Self { process, terminal }
    }

    /// Unique within its sandbox, among processes and sessions.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What runs.
    pub fn command(&self) -> &Command {
        self.process.command()
    }

    /// What is typed, once. Its end hangs nothing up: a program that waits for more goes on waiting.
    pub fn take_input(&self) -> Option<Input> {
        self.process.take_stdin()
    }

    /// What the terminal shows, once.
    pub fn take_output(&self) -> Option<Output> {
        self.process.take_stdout()
    }

    /// Changes the window's size; the foreground processes get `SIGWINCH`.
    ///
    /// # Errors
    /// `InvalidArgument`: no columns or rows. `Gone`: it has ended. `Failed`.
    pub async fn resize(&self, size: TerminalSize) -> Result<()> {
        check(size)?;
        if self.process.has_ended() {
            return Err(Error::Gone);
        }
        self.terminal.resize(size).await
    }

    /// Kills all of the session, without waiting.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// How its command ended; waits until it has, and all of the session with it.
    ///
    /// # Errors
    /// `Gone`: the sandbox ended first. `Poisoned`: a kill was not obeyed. `Failed`.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.process.wait().await
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// Hangs up, without waiting: its processes get `SIGHUP`, and those that stay are killed a second later.
    pub fn abandon(&self) {
        if self.process.has_ended() {
            return;
        }
        let process = self.process.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                // Where it cannot be hung up it is killed all the same.
                let _ = process.deliver(Signal::HangUp).await;
                let _ = tokio::time::timeout(HANG_UP_GRACE, process.wait()).await;
                process.kill();
            })),
            Err(_) => process.kill(),
        }
    }
}

/// A size that a program can draw on.
pub(crate) fn check(size: TerminalSize) -> Result<()> {
    if size.columns == 0 || size.rows == 0 {
        return Err(Error::invalid("size", "no columns or no rows"));
    }
    Ok(())
}
