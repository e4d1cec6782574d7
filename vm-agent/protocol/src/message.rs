//! Requests and responses: closed enums, so that whatever is not listed here cannot be said.
//!
//! The order of variants is the wire format (postcard numbers them): add at the end, or raise the version.

use serde::{Deserialize, Serialize};

use crate::files::{FileOperation, FilePipe};
use crate::machine::{MachineUsage, UsageFailure};

/// Most descriptors that may travel with one frame: standard input, output and error of a spawn.
pub const MAX_DESCRIPTORS: usize = 3;

/// From host to agent. `id` is the host's number for this request; numbers in use are not given twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Start a command in a process group of its own. Answered by `Started` or `Refused`; after `Started`
    /// comes, some time, `Ended`.
    Spawn {
        /// This request's number, and the process's from then on.
        id: u32,
        /// What to run.
        command: Command,
        /// Where its standard input comes from.
        stdin: Stdin,
    },
    /// Send a signal to every process of a group. Answered by `Signalled`.
    Signal {
        /// This request's number.
        id: u32,
        /// Whose group.
        process: u32,
        /// Which signal.
        signal: Signal,
    },
    /// Start a command as the leader of a session on a terminal of its own, whose other end the agent holds and pumps
    /// from and to the pipes that travel with the request. Answered as a spawn is. Its signals go to the whole session,
    /// and with its end the whole session is killed. The end of its input hangs nothing up: a signal does.
    OpenTerminal {
        /// This request's number, and the process's from then on.
        id: u32,
        /// What to run.
        command: Command,
        /// The window's size at the start.
        size: TerminalSize,
    },
    /// Change a terminal's size: its foreground processes get `SIGWINCH`. Answered by `Resized`.
    Resize {
        /// This request's number.
        id: u32,
        /// Which process's terminal.
        process: u32,
        /// The new size.
        size: TerminalSize,
    },
    /// Do something with files, in a process of its own. Answered by `Started` or `Refused`; after `Started` comes
    /// `Ended`, whose status says what came of it ([`outcome`](crate::outcome)).
    File {
        /// This request's number, and the process's from then on.
        id: u32,
        /// What to do.
        operation: FileOperation,
    },
    /// Write what the sandbox's file system holds beyond its image to the pipe, as a tar, in a process of its own that may
    /// read every file. Answered as an operation on files is.
    Save {
        /// This request's number, and the process's from then on.
        id: u32,
    },
    /// Make the files that a tar of `Save`, which comes over the pipe, speaks of; before any command. Answered as an operation
    /// on files is.
    Restore {
        /// This request's number, and the process's from then on.
        id: u32,
    },
    /// Say what the machine uses. Answered by `Used`.
    Usage {
        /// This request's number.
        id: u32,
    },
}

impl Request {
    /// How many descriptors travel with this frame. A spawn's are standard input (if any), output and error; a
    /// terminal's are input and output; an operation on files has its pipe, if any.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        match self {
            Self::Spawn { stdin: Stdin::Pipe, .. } => 3,
            Self::Spawn { stdin: Stdin::Null, .. } | Self::OpenTerminal { .. } => 2,
            Self::Signal { .. } | Self::Resize { .. } | Self::Usage { .. } => 0,
            Self::File { operation, .. } => match operation.pipe() {
                FilePipe::None => 0,
                FilePipe::ToAgent | FilePipe::FromAgent => 1,
            },
            Self::Save { .. } | Self::Restore { .. } => 1,
        }
    }
}

/// From agent to host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The program was executed.
    Started {
        /// The spawn's number.
        id: u32,
    },
    /// The program was not executed; nothing of it runs.
    Refused {
        /// The spawn's number.
        id: u32,
        /// Why not.
        failure: SpawnFailure,
    },
    /// The process ended, and what was left of its group was killed. The last word on this number.
    Ended {
        /// The spawn's number.
        id: u32,
        /// How the process itself ended.
        status: ExitStatus,
    },
    /// A signal was delivered, or not.
    Signalled {
        /// The signal request's number.
        id: u32,
        /// What came of it.
        delivered: Result<(), SignalFailure>,
    },
    /// A terminal's size was changed, or not.
    Resized {
        /// The resize request's number.
        id: u32,
        /// What came of it.
        resized: Result<(), SignalFailure>,
    },
    /// What the machine uses, or why that is not known.
    Used {
        /// The usage request's number.
        id: u32,
        /// What it uses.
        usage: Result<MachineUsage, UsageFailure>,
    },
}

/// The size of a terminal's window, in characters: ioctl_tty(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// How wide.
    pub columns: u16,
    /// How high.
    pub rows: u16,
}

/// What to run, with everything decided: the agent adds no defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// A path where it holds a slash; otherwise looked up in the `PATH` of `environment`, inside the sandbox.
    pub program: String,
    /// What follows the program's own name.
    pub arguments: Vec<String>,
    /// The whole environment. Of two pairs with one name, the later wins.
    pub environment: Vec<(String, String)>,
    /// Working directory, absolute.
    pub directory: String,
    /// A name of the sandbox's own `/etc/passwd`; [`SANDBOX_UID`](crate::SANDBOX_UID) where none.
    pub user: Option<String>,
    /// Resource limits beyond those that the agent itself is under.
    pub limits: Vec<Limit>,
}

/// Where a process's standard input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdin {
    /// `/dev/null` of the sandbox: at its end from the start.
    Null,
    /// The first descriptor that travels with the request.
    Pipe,
}

/// One resource limit, soft and hard: setrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Of what.
    pub resource: Resource,
    /// How much, in the resource's own unit.
    pub value: u64,
}

/// Which resource: getrlimit(2). Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource {
    /// Virtual memory of one process.
    AddressSpace,
    /// Size of a core file.
    CoreSize,
    /// Processor time of one process, in seconds.
    CpuSeconds,
    /// Heap and data segment of one process.
    Data,
    /// Largest file written.
    FileSize,
    /// Memory locked by one process.
    LockedMemory,
    /// Open descriptors of one process.
    OpenFiles,
    /// Processes of the command's user, in all.
    Processes,
    /// Stack of one process.
    Stack,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal's number.
    Signaled(u8),
}

/// The signals that a host can send: signal(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// `SIGHUP`.
    HangUp,
    /// `SIGINT`.
    Interrupt,
    /// `SIGQUIT`.
    Quit,
    /// `SIGKILL`.
    Kill,
    /// `SIGUSR1`.
    User1,
    /// `SIGUSR2`.
    User2,
    /// `SIGTERM`.
    Terminate,
}

/// Why a command was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SpawnFailure {
    /// No such program, or the interpreter that it names is missing.
    #[error("failed to find the program or its interpreter")]
    NotFound,
    /// The user may not execute it or enter the directory, or may not be had at all (uid 0).
    #[error("failed to start the program: permission denied")]
    PermissionDenied,
    /// The program is a directory.
    #[error("failed to start the program: it is a directory")]
    IsADirectory,
    /// The file is of no format that the kernel executes, or is being written.
    #[error("failed to start the program: not in an executable format")]
    NotExecutable,
    /// Arguments and environment are more than the kernel, or one frame, takes.
    #[error("failed to pass arguments and environment: too long")]
    ArgumentsTooLong,
    /// No such working directory.
    #[error("failed to find the working directory")]
    DirectoryNotFound,
    /// No such user in the sandbox's `/etc/passwd`.
    #[error("failed to find the user")]
    UserNotFound,
    /// No more processes, memory or descriptors may be had.
    #[error("failed to make the process: a limit is reached")]
    LimitReached,
    /// A string holds a NUL, or the name of a variable is empty or holds `=`.
    #[error("failed to pass a string to the program")]
    InvalidString,
    /// Anything else. The number is for the operator's log, never for a guest.
    #[error("failed to start the program: errno {0}")]
    Failed(i32),
}

/// Why a signal was not delivered, or a size not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SignalFailure {
    /// That process has ended, or never was, or has no terminal.
    #[error("failed to find the process")]
    NotFound,
    /// Anything else. The number is for the operator's log, never for a guest.
    #[error("failed to signal the process: errno {0}")]
    Failed(i32),
}
