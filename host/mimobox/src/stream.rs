//! A command's output, as it comes.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::Stream;
use mimobox_sandbox::{ExitStatus, Input, Output, Process};
use tokio::io::AsyncReadExt as _;

use crate::error::Error;

/// How much is read at once: what a pipe holds (pipe(7)).
const CHUNK: usize = 64 * 1024;

/// Something that a command did. The last is one of `Exit`, `TimedOut` and `Failed`, and there is none after it.
#[derive(Debug)]
pub enum StreamEvent {
    /// It wrote to standard output.
    Stdout(Bytes),
    /// It wrote to standard error.
    Stderr(Bytes),
    /// It ended: its exit code; none where a signal or want of memory ended it.
    Exit(Option<i32>),
    /// It was killed at its deadline.
    TimedOut,
    /// It is not known how it ended: its sandbox is gone, or failed.
    Failed(Error),
}

impl StreamEvent {
    fn of_end(end: mimobox_sandbox::Result<ExitStatus>) -> Self {
        match end {
            Ok(ExitStatus::Exited(code)) => Self::Exit(Some(i32::from(code))),
            Ok(ExitStatus::Signaled(_) | ExitStatus::OutOfMemory) => Self::Exit(None),
            Ok(ExitStatus::TimedOut) => Self::TimedOut,
            Err(error) => Self::Failed(error.into()),
        }
    }
}

/// The events of a running command, in order within each stream.
///
/// It reads only when asked: what nobody receives stays in the pipe, and the command waits. Standard input, too, is fed
/// while somebody receives. Dropping it kills the command.
pub struct StreamReceiver {
    process: Process,
    stdin: Feed,
    stdout: Drain,
    stderr: Drain,
    /// Whether standard error has the first turn: neither stream may starve the other.
    stderr_first: bool,
    end: Option<End>,
}

type End = Pin<Box<dyn Future<Output = mimobox_sandbox::Result<ExitStatus>> + Send>>;

impl StreamReceiver {
    pub(crate) fn new(process: Process, stdin: Vec<u8>) -> Self {
        let waiting = process.clone();
        Self {
            stdin: Feed { input: process.take_stdin(), left: stdin.into() },
            stdout: Drain::new(process.take_stdout()),
            stderr: Drain::new(process.take_stderr()),
            stderr_first: false,
            end: Some(Box::pin(async move { waiting.wait().await })),
            process,
        }
    }

    /// The next event; none after the last. Nothing is lost where the future is dropped.
    pub async fn recv(&mut self) -> Option<StreamEvent> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Kills the command; the events that are left can still be received.
    pub fn kill(&self) {
        self.process.kill();
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<StreamEvent>> {
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        self.stdin.poll(cx);
        self.stderr_first = !self.stderr_first;
        for from_stderr in [self.stderr_first, !self.stderr_first] {
            let (drain, event): (_, fn(Bytes) -> StreamEvent) = match from_stderr {
                true => (&mut self.stderr, StreamEvent::Stderr),
                false => (&mut self.stdout, StreamEvent::Stdout),
            };
            match drain.poll(cx) {
                Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(event(bytes))),
                Poll::Ready(Some(Err(error))) => {
                    self.process.kill();
                    self.end = None;
                    return Poll::Ready(Some(StreamEvent::Failed(error.into())));
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
        if !self.stdout.is_over() || !self.stderr.is_over() {
            return Poll::Pending;
        }
        end.as_mut().poll(cx).map(|ended| {
            self.end = None;
            Some(StreamEvent::of_end(ended))
        })
    }
}

impl Stream for StreamReceiver {
    type Item = StreamEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<StreamEvent>> {
        self.poll_recv(cx)
    }
}

impl Drop for StreamReceiver {
    fn drop(&mut self) {
        self.process.abandon();
    }
}

impl fmt::Debug for StreamReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReceiver").field("process", &self.process).finish_non_exhaustive()
    }
}

/// What is left to feed a command with.
struct Feed {
    /// Until all is fed, or the command reads no further.
    input: Option<Input>,
    left: Bytes,
}

impl Feed {
    fn poll(&mut self, cx: &mut Context<'_>) {
        while let Some(input) = &mut self.input {
            if self.left.is_empty() {
                if input.as_mut().poll_shutdown(cx).is_pending() {
                    return;
                }
                self.input = None;
            } else {
                match input.as_mut().poll_write(cx, &self.left) {
                    Poll::Pending => return,
                    Poll::Ready(Ok(written)) if written > 0 => self.left.advance(written),
                    // A program may well end without reading all that it was given.
                    Poll::Ready(_) => self.input = None,
                }
            }
        }
    }
}

/// One of the streams that a command writes to.
pub(crate) struct Drain {
    /// Until it is over.
    output: Option<Output>,
    buffer: BytesMut,
}

impl Drain {
    pub(crate) fn new(output: Option<Output>) -> Self {
        Self { output, buffer: BytesMut::new() }
    }

    fn is_over(&self) -> bool {
        self.output.is_none()
    }

    /// The next bytes; none when it is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(output) = &mut self.output else { return Poll::Ready(None) };
        // What is left of the last buffer is used as long as it is worth a system call.
        if self.buffer.capacity() < CHUNK / 4 {
            self.buffer.reserve(CHUNK);
        }
        let read = ready!(pin!(output.read_buf(&mut self.buffer)).poll(cx));
        match read {
            Ok(0) => self.output = None,
            Ok(_) => return Poll::Ready(Some(Ok(self.buffer.split().freeze()))),
            Err(error) => {
                self.output = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(None)
    }
}
