//! A program on a terminal of its own.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use mimobox_sandbox::{ExitStatus, Input, Session, TerminalSize};
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Handle;

use crate::error::{Error, Result};
use crate::stream::Drain;

/// A program, what it starts, and the terminal that they share. Dropping it hangs up: they get `SIGHUP`, and what stays is
/// killed a second later.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mimobox::Error> {
/// # if !mimobox_harness::can_sandbox() { return Ok(()); }
/// use mimobox::{Command, Sandbox};
///
/// let sandbox = Sandbox::new().await?;
/// let mut session = sandbox.create_pty(Command::new("/bin/sh"), 80, 24).await?;
/// let mut output = session.output().expect("it was not taken before");
/// session.send_input(b"stty size; exit\n").await?;
///
/// let mut shown = Vec::new();
/// while let Some(bytes) = output.recv().await {
///     shown.extend_from_slice(&bytes?);
/// }
/// assert!(String::from_utf8_lossy(&shown).contains("24 80"));
/// session.wait().await?;
/// # Ok(())
/// # }
/// ```
pub struct PtySession {
    inner: Session,
    input: Option<Input>,
    /// Where its tasks run: it may be dropped elsewhere.
    runtime: Handle,
}

impl PtySession {
    pub(crate) fn new(inner: Session, runtime: Handle) -> Self {
        let input = inner.take_input();
        Self { inner, input, runtime }
    }

    /// Unique within its sandbox, among processes and sessions.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Types `bytes`. A carriage return is what the enter key sends, `\x03` is Ctrl-C, `\x04` the end of input.
    ///
    /// # Errors
    /// `Gone`: it has ended.
    pub async fn send_input(&mut self, bytes: &[u8]) -> Result<()> {
        let input = self.input.as_mut().ok_or(Error::Gone)?;
        // The only way in which a terminal takes nothing is that it is gone.
        input.write_all(bytes).await.map_err(|_| Error::Gone)?;
        input.flush().await.map_err(|_| Error::Gone)
    }

    /// What the terminal shows, once.
    pub fn output(&mut self) -> Option<PtyOutput> {
        self.inner.take_output().map(|output| PtyOutput(Drain::new(Some(output))))
    }

    /// Changes the window's size; the foreground programs get `SIGWINCH`.
    ///
    /// # Errors
    /// `InvalidArgument`: no columns or no rows. `Gone`: it has ended. `Failed`.
    pub async fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        Ok(self.inner.resize(TerminalSize { columns, rows }).await?)
    }

    /// Kills all of the session, without waiting.
    pub fn kill(&self) {
        self.inner.kill();
    }

    /// Waits until the program has ended, and all of the session with it: how it did.
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
}

impl Drop for PtySession {
    fn drop(&mut self) {
        let _entered = self.runtime.enter();
        self.inner.abandon();
    }
}

impl fmt::Debug for PtySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PtySession").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// What a terminal shows, as it comes. What nobody receives stays in the terminal, and its programs wait.
pub struct PtyOutput(Drain);

impl PtyOutput {
    /// The next bytes; none after the session's end. Nothing is lost where the future is dropped.
    pub async fn recv(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.0.poll(cx).map(|next| next.map(|read: io::Result<Bytes>| Ok(read?)))
    }
}

impl Stream for PtyOutput {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

impl fmt::Debug for PtyOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PtyOutput")
    }
}
