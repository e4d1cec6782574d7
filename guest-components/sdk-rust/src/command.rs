//! Commands: what to run, and what came of it.

use std::fmt;
use std::time::Duration;

use wit_bindgen::StreamReader;

use crate::bindings::mimobox::host::{execute, stream, types};
use crate::clock::nanoseconds;
use crate::error::Result;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::streams::{ByteReader, ByteWriter, text};
use crate::terminal::{Size, Terminal};

pub use types::ExitStatus;

/// A command that will run in a sandbox.
#[derive(Debug)]
#[must_use = "a command does not run until `output`, `spawn` or `open_terminal`"]
pub struct Command<'a> {
    sandbox: &'a Sandbox,
    command: types::Command,
    stdin: Stdin,
}

/// Where a command's standard input comes from.
#[derive(Debug, Default)]
pub enum Stdin {
    /// It is closed, so that nothing waits for it.
    #[default]
    Closed,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// What the caller writes to [`Process::stdin`].
    Piped,
    /// What another process, file or response gives.
    Stream(ByteReader),
}

impl<'a> Command<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, program: String) -> Self {
        let command = types::Command {
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            user: None,
            timeout: None,
        };
        Self { sandbox, command, stdin: Stdin::default() }
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.command.arguments.push(argument.into());
        self
    }

    /// More arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.command.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable, added to the sandbox's environment; the later one of a name wins.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.command.environment.push((name.into(), value.into()));
        self
    }

    /// The absolute folder to start in; the sandbox's home where none is set.
    pub fn current_dir(mut self, directory: impl Into<String>) -> Self {
        self.command.directory = Some(directory.into());
        self
    }

    /// A user of the sandbox's image.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.command.user = Some(user.into());
        self
    }

    /// From its start to the end of its whole process group; then it is killed and the status says so.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.command.timeout = Some(nanoseconds(timeout));
        self
    }

    /// Its standard input: bytes, text, a [`ByteReader`], or a [`Stdin`].
    pub fn stdin(mut self, stdin: impl Into<Stdin>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Runs it to its end with its input and output in memory. What is past the operator's limit is an
    /// [`Error::LimitReached`](crate::Error::LimitReached): [`spawn`](Self::spawn) has no such limit.
    pub async fn output(self) -> Result<Output> {
        let stdin = match self.stdin {
            Stdin::Closed | Stdin::Piped => Vec::new(),
            Stdin::Bytes(bytes) => bytes,
            // Not by way of `spawn`: a component would then ask for `stream` that only executes.
            Stdin::Stream(reader) => reader.collect().await?,
        };
        let output = execute::execute(&self.sandbox.handle, &self.command, &stdin).await?;
        Ok(Output {
            stdout: output.stdout,
            stderr: output.stderr,
            status: output.status,
            elapsed: Duration::from_nanos(output.elapsed),
        })
    }

    /// Starts it.
    pub async fn spawn(self) -> Result<Process> {
        let (stdin, writer) = self.stdin.open();
        let handle = stream::spawn(&self.sandbox.handle, &self.command, stdin).await?;
        Ok(Process::new(handle, writer))
    }

    /// Starts it on a pseudo-terminal of this size. Standard input is then the terminal's own.
    pub async fn open_terminal(self, size: Size) -> Result<Terminal> {
        Terminal::open(self.sandbox, &self.command, size).await
    }
}

impl Stdin {
    /// What the host reads, and the caller's end of it if the caller writes.
    fn open(self) -> (Option<StreamReader<u8>>, Option<ByteWriter>) {
        match self {
            Self::Closed => (None, None),
            Self::Bytes(bytes) => {
                let (mut writer, reader) = ByteWriter::pair();
                wit_bindgen::spawn_local(async move {
                    // A program may end, or close its input, before it has read everything: its own business.
                    let _ = writer.write(bytes).await;
                });
                (Some(reader), None)
            }
            Self::Piped => {
                let (writer, reader) = ByteWriter::pair();
                (Some(reader), Some(writer))
            }
            Self::Stream(reader) => (Some(reader.into_stream()), None),
        }
    }
}

impl From<Vec<u8>> for Stdin {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Stdin {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<String> for Stdin {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<&str> for Stdin {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<ByteReader> for Stdin {
    fn from(reader: ByteReader) -> Self {
        Self::Stream(reader)
    }
}

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub status: ExitStatus,
    /// From its start to its end.
    pub elapsed: Duration,
}

impl Output {
    /// Standard output as text; what is not UTF-8 is replaced.
    pub fn stdout_text(&self) -> String {
        text(&self.stdout)
    }

    /// Standard error as text; what is not UTF-8 is replaced.
    pub fn stderr_text(&self) -> String {
        text(&self.stderr)
    }
}

impl ExitStatus {
    /// Whether it ended by itself with code 0.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }

    /// The exit code, if it ended by itself.
    pub fn code(self) -> Option<u8> {
        match self {
            Self::Exited(code) => Some(code),
            Self::Signaled(_) | Self::TimedOut | Self::OutOfMemory => None,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with {code}"),
            Self::Signaled(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::OutOfMemory => f.write_str("out of memory"),
        }
    }
}
