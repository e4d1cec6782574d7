//! What makes sandboxes: the contract between the domain and a backend.
//!
//! A backend only makes the box and starts processes in it. It decides nothing: it takes [`Authorized`] grants, enforces
//! them whole or fails, and reports what the kernel holds. Deadlines, quotas, output limits and who may call are the
//! domain's.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::enforcement::Enforcement;
use crate::error::{Error, Result};
use crate::files::{FileTask, Files};
use crate::grant::{Authorized, CommandGrant, SandboxGrant, Save};
use crate::spec::Isolation;

/// Name of one sandbox, unique within the host and its audit log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SandboxId(Arc<str>);

impl SandboxId {
    /// Letters, digits and hyphens, so that a backend may use it in a file name.
    pub(crate) fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes sandboxes of one isolation.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Which kind of box it makes.
    fn isolation(&self) -> Isolation;

    /// The image where a spec names none.
    fn default_image(&self) -> &str;

    /// Makes a sandbox. On an error, or where the future is dropped before it is done, nothing of it is left.
    ///
    /// # Errors
    /// `NotFound`: no such image or volume. `Unsupported`: a limit or mechanism that was granted and cannot be enforced;
    /// names it. `Failed`: a step of making it failed.
    async fn create(&self, id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created>;

    /// Makes a sandbox that goes on from a state that [`Instance::save`] gave, of a sandbox of the same image. The bytes are
    /// hostile. Otherwise as `create`.
    ///
    /// # Errors
    /// Those of `create`. `InvalidArgument`: the state is damaged. `LimitReached`: it is more than the grant's disk.
    /// `Unsupported`, unless a backend says otherwise.
    async fn restore(
        &self,
        _id: &SandboxId,
        _grant: Authorized<SandboxGrant>,
        _state: Output,
    ) -> Result<Created> {
        Err(Error::Unsupported("restore".into()))
    }
}

/// A sandbox that is ready for commands.
pub struct Created {
    /// The sandbox.
    pub instance: Arc<dyn Instance>,
    /// What is in force.
    pub enforcement: Vec<Enforcement>,
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").field("enforcement", &self.enforcement).finish_non_exhaustive()
    }
}

/// One live sandbox, with its files. Dropping the last reference destroys it too, in the background; `destroy` says how that went.
#[async_trait]
pub trait Instance: Send + Sync {
    /// Its files.
    fn files(&self) -> &dyn Files;

    /// Starts a command in a process group of its own.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`, `IsADirectory`, `InvalidArgument` (not an executable format, no such user or
    /// directory), `LimitReached` (processes, arguments), `Gone`, `Failed`.
    async fn spawn(&self, grant: Authorized<CommandGrant>) -> Result<Spawned>;

    /// Starts a command as the leader of a session on a terminal of its own. The grant's `stdin` means nothing here.
    ///
    /// # Errors
    /// Those of `spawn`.
    async fn open_terminal(&self, grant: Authorized<CommandGrant>, size: TerminalSize) -> Result<Opened>;

    /// Gives all of its state as a stream of bytes. It goes on running: of a file that changes meanwhile, the state has either.
    ///
    /// # Errors
    /// `Unsupported`, unless a backend says otherwise. `Gone`, `Failed`.
    async fn save(&self, _grant: Authorized<Save>) -> Result<FileTask<Output>> {
        Err(Error::Unsupported("save".into()))
    }

    /// What it uses now.
    async fn usage(&self) -> Result<Usage>;

    /// Stops every process where it stands. Called only on a running sandbox.
    async fn pause(&self) -> Result<()>;

    /// Lets them go on. Called only on a paused sandbox.
    async fn resume(&self) -> Result<()>;

    /// Settles when the sandbox has ended by itself (its agent died, its VM crashed). Called once.
    async fn ended(&self);

    /// Kills all that runs in it and gives back all that it holds; done when nothing is left. May be called again, and
    /// on a paused sandbox.
    async fn destroy(&self) -> Result<()>;
}

/// Bytes to a process. Shutting it down, or dropping it, closes the process's standard input.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Bytes from a process: whole, in order, ending when the command has ended and all is read. What is not read stays with
/// the process, which then waits.
pub type Output = Pin<Box<dyn AsyncRead + Send>>;

/// A process that was started.
pub struct Spawned {
    /// Unique within its sandbox.
    pub id: u32,
    /// There when the grant asked for it.
    pub stdin: Option<Input>,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// Signals and the end.
    pub control: Arc<dyn Control>,
}

impl fmt::Debug for Spawned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A session that was started.
pub struct Opened {
    /// Unique within its sandbox, among processes and sessions.
    pub id: u32,
    /// What is typed. Shutting it down, or dropping it, hangs nothing up.
    pub input: Input,
    /// What the terminal shows.
    pub output: Output,
    /// Signals and the end. `HangUp` closes the terminal, `Kill` ends all of the session.
    pub control: Arc<dyn Control>,
    /// The terminal.
    pub terminal: Arc<dyn Terminal>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The hand on a terminal.
#[async_trait]
pub trait Terminal: Send + Sync {
    /// Changes the window's size; the foreground processes get `SIGWINCH`.
    ///
    /// # Errors
    /// `Gone`: the session has ended. `Failed`.
    async fn resize(&self, size: TerminalSize) -> Result<()>;
}

/// The size of a terminal's window, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// How wide.
    pub columns: u16,
    /// How high.
    pub rows: u16,
}

/// The hand on a running process. Dropping it does nothing: the domain kills what is to be killed.
#[async_trait]
pub trait Control: Send + Sync {
    /// To the whole process group; `kill` is how the domain ends it.
    ///
    /// # Errors
    /// `Gone`: it has ended. `Failed`: the sandbox did not answer in time.
    async fn signal(&self, signal: Signal) -> Result<()>;

    /// How the command ended; settles after what remained of its process group is gone too. Called once.
    ///
    /// # Errors
    /// `Gone`: the sandbox ended first.
    async fn ended(&self) -> Result<ExitStatus>;
}

/// The signals that can be sent, by their POSIX names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// SIGHUP
    HangUp,
    /// SIGINT
    Interrupt,
    /// SIGQUIT
    Quit,
    /// SIGKILL
    Kill,
    /// SIGUSR1
    User1,
    /// SIGUSR2
    User2,
    /// SIGTERM
    Terminate,
}

impl Signal {
    /// Its number on Linux (signal(7)).
    pub fn number(self) -> u8 {
        match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Quit => 3,
            Self::Kill => 9,
            Self::User1 => 10,
            Self::User2 => 12,
            Self::Terminate => 15,
        }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitStatus {
    /// By itself, with this code.
    Exited(u8),
    /// By a signal; its number.
    Signaled(u8),
    /// Killed at its deadline.
    TimedOut,
    /// Killed for want of memory.
    OutOfMemory,
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with {code}"),
            Self::Signaled(number) => write!(f, "killed by signal {number}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::OutOfMemory => f.write_str("out of memory"),
        }
    }
}

/// What a sandbox uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Processor time of all its processes so far.
    pub cpu_time: Duration,
    /// Bytes now.
    pub memory: u64,
    /// Bytes at most so far.
    pub memory_peak: u64,
    /// Processes and threads now, the agent's among them.
    pub processes: u32,
}
