//! A guest's bytes on their way into a sandbox: standard input, what is typed, a file.
//!
//! ```text
//! Starting ── the taker is there ──► Open ── the guest closes its stream ──► dropped, which closes the taker's pipe
//!     └────── it never will be ──────┴────── the taker closed the pipe ────► Closed, and the guest's next write says so
//! ```

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use mimobox_sandbox::Input;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};

use crate::ctx::Ctx;

/// Writes straight from the guest's memory. The guest's write is done when the bytes are out: who does not read them makes
/// the guest wait.
pub(crate) struct Inflow {
    state: State,
    flushing: bool,
}

enum State {
    Starting(oneshot::Receiver<Input>),
    Open(Input),
    Closed,
}

impl Inflow {
    /// To a taker that is being started; `input` comes when it runs, and never if it fails to.
    pub(crate) fn starting(input: oneshot::Receiver<Input>) -> Self {
        Self { state: State::Starting(input), flushing: false }
    }

    /// The input, once it is there; none where it is closed.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<&mut Input>> {
        if let State::Starting(input) = &mut self.state {
            self.state = match ready!(input.poll_unpin(cx)) {
                Ok(input) => State::Open(input),
                Err(_) => State::Closed,
            };
        }
        Poll::Ready(match &mut self.state {
            State::Open(input) => Some(input),
            State::Starting(_) | State::Closed => None,
        })
    }

    fn poll_feed(
        &mut self,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, Ctx>,
        source: Source<'_, u8>,
    ) -> Poll<StreamResult> {
        let flushing = self.flushing;
        let Some(input) = ready!(self.poll_input(cx)) else { return Poll::Ready(StreamResult::Dropped) };
        if !flushing {
            let mut source = source.as_direct(store);
            let bytes = source.remaining();
            // A write of no bytes asks whether there is room. A pipe can't be asked, so the answer is to try.
            if bytes.is_empty() {
                return Poll::Ready(StreamResult::Completed);
            }
            match ready!(input.as_mut().poll_write(cx, bytes)) {
                Ok(0) | Err(_) => {
                    self.state = State::Closed;
                    return Poll::Ready(StreamResult::Dropped);
                }
                Ok(count) => source.mark_read(count),
            }
        }
        let flushed = input.as_mut().poll_flush(cx);
        self.flushing = flushed.is_pending();
        match ready!(flushed) {
            Ok(()) => Poll::Ready(StreamResult::Completed),
            Err(_) => {
                self.state = State::Closed;
                Poll::Ready(StreamResult::Dropped)
            }
        }
    }
}

impl StreamConsumer<Ctx> for Inflow {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, Ctx>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let flushing = self.flushing;
        match self.poll_feed(cx, store, source) {
            Poll::Ready(result) => Poll::Ready(Ok(result)),
            // Bytes that were taken stay taken; those that were not go back to the guest.
            Poll::Pending if finish && (flushing || self.flushing) => {
                self.flushing = false;
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
