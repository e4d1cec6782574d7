//! Standard output and error of a component: to wherever the embedder says.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that wait for a slow reader; then the component waits.
const ROOM: usize = 64 * 1024;

/// Where a component's standard output and error go.
#[derive(Clone, Debug)]
pub struct Stdio {
    /// Standard output.
    pub stdout: Sink,
    /// Standard error.
    pub stderr: Sink,
}

/// A place for output. Clones are the same place: what is written through any of them keeps its order.
#[derive(Clone)]
pub struct Sink {
    state: Arc<Mutex<State>>,
    terminal: bool,
}

struct State {
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    waiting: Bytes,
    unflushed: bool,
    broken: bool,
}

impl Sink {
    /// Output to `writer`. `terminal` is what the component is told when it asks.
    pub fn new(writer: impl AsyncWrite + Send + 'static, terminal: bool) -> Self {
        let state =
            State { writer: Box::pin(writer), waiting: Bytes::new(), unflushed: false, broken: false };
        Self { state: Arc::new(Mutex::new(state)), terminal }
    }

    /// Settles when all that was written is where it belongs, or can't get there any more.
    pub(crate) async fn drained(&self) {
        std::future::poll_fn(|cx| self.state.lock().poll_drain(cx)).await;
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

impl State {
    /// Ready once nothing waits and all is flushed. An error is kept: the place is broken for good.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.broken && !self.waiting.is_empty() {
            match ready!(self.writer.as_mut().poll_write(cx, &self.waiting)) {
                Ok(0) | Err(_) => self.broken = true,
                Ok(written) => {
                    self.waiting.advance(written);
                    self.unflushed = true;
                }
            }
        }
        if !self.broken && self.unflushed {
            self.broken = ready!(self.writer.as_mut().poll_flush(cx)).is_err();
            self.unflushed = false;
        }
        Poll::Ready(())
    }

    fn check(&self) -> Result<(), StreamError> {
        if self.broken { Err(StreamError::Closed) } else { Ok(()) }
    }
}

impl IsTerminal for Sink {
    fn is_terminal(&self) -> bool {
        self.terminal
    }
}

impl StdoutStream for Sink {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

/// For WASI 0.3.
impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock();
        ready!(state.poll_drain(cx));
        if state.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        state.unflushed = true;
        state.writer.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock();
        ready!(state.poll_drain(cx));
        Poll::Ready(if state.broken { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) })
    }

    /// The place outlives the component: it is flushed and stays open.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// For WASI 0.2: never blocks; what the writer does not take at once waits in here.
impl OutputStream for Sink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut state = self.state.lock();
        state.check()?;
        if !state.waiting.is_empty() || bytes.len() > ROOM {
            return Err(StreamError::trap("wrote more than `check-write` allows"));
        }
        state.waiting = bytes;
        // Whoever waits for room polls again with a waker that wakes.
        let _ = state.poll_drain(&mut Context::from_waker(Waker::noop()));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        let mut state = self.state.lock();
        let _ = state.poll_drain(&mut Context::from_waker(Waker::noop()));
        state.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let state = self.state.lock();
        state.check()?;
        Ok(if state.waiting.is_empty() && !state.unflushed { ROOM } else { 0 })
    }
}

#[async_trait::async_trait]
impl Pollable for Sink {
    async fn ready(&mut self) {
        self.drained().await;
    }
}
