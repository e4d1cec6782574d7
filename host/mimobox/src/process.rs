//! A program that runs in the background.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mimobox_sandbox::{ExitStatus, Input, Output, Signal};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::runtime::Handle;

use crate::error::Result;

/// A process in a sandbox, with all that it started. Dropping it kills them, unless it was [detached](Process::detach).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mimobox::Error> {
/// # if !mimobox_harness::can_sandbox() { return Ok(()); }
/// use mimobox::{Command, Sandbox};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let sandbox = Sandbox::new().await?;
/// let mut process = sandbox.spawn(Command::new("sort").stdin_piped()).await?;
/// let mut stdin = process.take_stdin().expect("it was not taken before");
/// stdin.write_all(b"b\na\n").await?;
/// drop(stdin); // the end of its input
///
/// let mut sorted = String::new();
/// process.take_stdout().expect("it was not taken before").read_to_string(&mut sorted).await?;
/// assert_eq!(sorted, "a\nb\n");
/// process.wait().await?;
/// # Ok(())
/// # }
/// ```
pub struct Process {
    inner: mimobox_sandbox::Process,
    sandbox: mimobox_sandbox::Sandbox,
    /// Where its tasks run: it may be detached elsewhere.
    runtime: Handle,
    /// Somebody else may have it by now.
    is_detached: bool,
}

/// What is known of a process without having it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Unique within its sandbox; for [`Sandbox::attach`](crate::Sandbox::attach).
    pub id: u32,
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Whether it has ended, so that only its output waits.
    pub has_ended: bool,
}

impl ProcessInfo {
    pub(crate) fn of(process: &mimobox_sandbox::Process) -> Self {
        Self {
            id: process.id(),
            program: process.command().program.clone(),
            arguments: process.command().arguments.clone(),
            has_ended: process.has_ended(),
        }
    }
}

impl Process {
    pub(crate) fn new(
        inner: mimobox_sandbox::Process,
        sandbox: mimobox_sandbox::Sandbox,
        runtime: Handle,
    ) -> Self {
        Self { inner, sandbox, runtime, is_detached: false }
    }

    /// Unique within its sandbox.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Standard input, once, if the command was to have a [pipe](crate::Command::stdin_piped).
    pub fn take_stdin(&mut self) -> Option<ProcessInput> {
        self.inner.take_stdin().map(ProcessInput)
    }

    /// Standard output, once. What nobody reads stays in the pipe, and the process waits.
    pub fn take_stdout(&mut self) -> Option<ProcessOutput> {
        self.inner.take_stdout().map(ProcessOutput)
    }

    /// Standard error, once.
    pub fn take_stderr(&mut self) -> Option<ProcessOutput> {
        self.inner.take_stderr().map(ProcessOutput)
    }

    /// Waits until it has ended: how it did.
    ///
    /// # Errors
    /// `Gone`: its sandbox ended first. `Poisoned`, `Failed`.
    pub async fn wait(&self) -> Result<ExitStatus> {
        Ok(self.inner.wait().await?)
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }

    /// Sends a signal to it and all that it started.
    ///
    /// # Errors
    /// `Denied`, `Gone` (it has ended), `Poisoned`, `Failed`.
    pub async fn signal(&self, signal: Signal) -> Result<()> {
        Ok(self.sandbox.signal(&self.inner, signal).await?)
    }

    /// Kills it and all that it started, without waiting.
    pub fn kill(&self) {
        self.inner.kill();
    }

    /// Leaves it running, without standard input. The host keeps its output, up to its ceiling's limit, and then it waits for
    /// somebody to [attach](crate::Sandbox::attach) to the id that this gives.
    pub fn detach(mut self) -> u32 {
        self.is_detached = true;
        let _entered = self.runtime.enter();
        self.sandbox.detach(&self.inner)
    }

    /// Writes `bytes` to its standard input in the background, and ends it.
    pub(crate) fn feed(&self, bytes: Vec<u8>) {
        if let Some(mut input) = self.inner.take_stdin() {
            self.runtime.spawn(async move {
                // A program may well end without reading all that it was given.
                let _ = input.write_all(&bytes).await;
                let _ = input.shutdown().await;
            });
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_detached {
            self.inner.abandon();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.id())
            .field("has_ended", &self.has_ended())
            .finish_non_exhaustive()
    }
}

/// A process's standard input. Dropping it, or shutting it down, is its end.
pub struct ProcessInput(Input);

/// What a process writes to standard output or error.
pub struct ProcessOutput(Output);

impl AsyncWrite for ProcessInput {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}

impl AsyncRead for ProcessOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(cx, buffer)
    }
}

impl fmt::Debug for ProcessInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessInput")
    }
}

impl fmt::Debug for ProcessOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessOutput")
    }
}
