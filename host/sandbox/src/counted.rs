//! Counts the bytes that pass through a process's streams, for the audit log.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::audit::Bytes;
use crate::backend::{Input, Output};

/// Bytes so far, of each stream of one process.
#[derive(Default)]
pub(crate) struct Counts {
    stdin: Arc<AtomicU64>,
    stdout: Arc<AtomicU64>,
    stderr: Arc<AtomicU64>,
}

impl Counts {
    pub(crate) fn read(&self) -> Bytes {
        Bytes {
            stdin: self.stdin.load(Ordering::Relaxed),
            stdout: self.stdout.load(Ordering::Relaxed),
            stderr: self.stderr.load(Ordering::Relaxed),
        }
    }
}

/// A stream, and how much went through it.
pub(crate) struct Counted<S> {
    stream: S,
    count: Arc<AtomicU64>,
}

impl Counted<Output> {
    pub(crate) fn stdout(stream: Output, counts: &Counts) -> Output {
        Box::pin(Self { stream, count: counts.stdout.clone() })
    }

    pub(crate) fn stderr(stream: Output, counts: &Counts) -> Output {
        Box::pin(Self { stream, count: counts.stderr.clone() })
    }
}

impl Counted<Input> {
    pub(crate) fn input(stream: Input, counts: &Counts) -> Input {
        Box::pin(Self { stream, count: counts.stdin.clone() })
    }
}

impl AsyncRead for Counted<Output> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(self.stream.as_mut().poll_read(cx, buffer));
        self.count.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Counted<Input> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(self.stream.as_mut().poll_write(cx, bytes))?;
        self.count.fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
