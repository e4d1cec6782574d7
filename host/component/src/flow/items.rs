//! Whole values on their way to a guest: events, changes.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use mimobox_sandbox::Result;
use tokio::sync::oneshot;
use wasmtime::component::{Destination, Lower, StreamProducer, StreamResult};
use wasmtime::{AsContextMut, StoreContextMut};

use super::{End, ended, taken_before};
use crate::ctx::Ctx;

/// Gives the guest the next value whenever it reads.
pub(crate) struct Items<T> {
    /// None: there is nothing, or nothing any more.
    stream: Option<Pin<Box<dyn Stream<Item = Result<T>> + Send>>>,
    tell: Option<oneshot::Sender<Result<()>>>,
}

impl<T> Items<T> {
    /// Of what gives values; an error is its last.
    pub(crate) fn of(stream: impl Stream<Item = Result<T>> + Send + 'static) -> (Self, End) {
        let (tell, end) = oneshot::channel();
        (Self { stream: Some(Box::pin(stream)), tell: Some(tell) }, end)
    }

    /// Of what somebody has taken before: none, and the end says `already-exists`.
    pub(crate) fn taken_before() -> (Self, End) {
        (Self { stream: None, tell: None }, taken_before())
    }

    /// Of what could not begin: none, and the end says why.
    pub(crate) fn failed(error: mimobox_sandbox::Error) -> (Self, End) {
        (Self { stream: None, tell: None }, ended(Err(error)))
    }

    fn end(&mut self, end: Result<()>) -> Poll<wasmtime::Result<StreamResult>> {
        self.stream = None;
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(end);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl<T: Lower + Send + Sync + 'static> StreamProducer<Ctx> for Items<T> {
    type Item = T;
    type Buffer = Option<T>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, Ctx>,
        mut destination: Destination<'a, T, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let Some(stream) = self.stream.as_mut() else { return self.end(Ok(())) };
        // A read of no values asks whether there is one. That can't be known without taking it, so the answer is to try.
        if destination.remaining(store.as_context_mut()) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match stream.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(value))) => {
                destination.set_buffer(Some(value));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Some(Err(error))) => self.end(Err(error)),
            Poll::Ready(None) => self.end(Ok(())),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
