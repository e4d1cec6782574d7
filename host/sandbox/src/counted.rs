//! Counts the bytes that pass through the streams of a process or of an operation on files, for the audit log.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::audit::Bytes;
use crate::authority::{Authority, Underway};
use crate::backend::{ExitStatus, Input, Output};
use crate::error::{Error, Result};

/// What one command or operation on files has used its streams for, and how it ended. Its end goes into the audit log when
/// it is known and nobody holds a stream any more: only then is the count whole.
pub(crate) struct Tally {
    authority: Arc<Authority>,
    underway: Underway,
    stdin: AtomicU64,
    stdout: AtomicU64,
    stderr: AtomicU64,
    end: Mutex<Result<Option<ExitStatus>>>,
}

impl Tally {
    pub(crate) fn new(authority: Arc<Authority>, underway: Underway) -> Arc<Self> {
        let end = Mutex::new(Err(Error::Gone));
        Arc::new(Self { authority, underway, stdin: 0.into(), stdout: 0.into(), stderr: 0.into(), end })
    }

    /// Says how it ended, with a command's status, and lets go of the tally.
    pub(crate) fn settle(self: Arc<Self>, end: Result<Option<ExitStatus>>) {
        *self.end.lock() = end;
    }

    pub(crate) fn count_stdin(self: &Arc<Self>, stream: Input) -> Input {
        Box::pin(Counted { stream, tally: self.clone(), which: |tally| &tally.stdin })
    }

    pub(crate) fn count_stdout(self: &Arc<Self>, stream: Output) -> Output {
        Box::pin(Counted { stream, tally: self.clone(), which: |tally| &tally.stdout })
    }

    pub(crate) fn count_stderr(self: &Arc<Self>, stream: Output) -> Output {
        Box::pin(Counted { stream, tally: self.clone(), which: |tally| &tally.stderr })
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let bytes = Bytes {
            stdin: self.stdin.load(Ordering::Relaxed),
            stdout: self.stdout.load(Ordering::Relaxed),
            stderr: self.stderr.load(Ordering::Relaxed),
        };
        let end = self.end.get_mut().clone();
        // It is over: there is nothing left to refuse. The operator's log has the failure, and a sink that fails refuses
        // whatever is asked next.
        let _ = self.authority.finished(&self.underway, &end, Some(bytes));
    }
}

/// A stream, and where its bytes are counted.
struct Counted<S> {
    stream: S,
    tally: Arc<Tally>,
    which: fn(&Tally) -> &AtomicU64,
}

impl<S> Counted<S> {
    fn count(&self, bytes: usize) {
        (self.which)(&self.tally).fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl AsyncRead for Counted<Output> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(self.stream.as_mut().poll_read(cx, buffer));
        self.count(buffer.filled().len() - before);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Counted<Input> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(self.stream.as_mut().poll_write(cx, bytes))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
