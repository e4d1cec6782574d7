//! Bytes on their way to a guest: output, what a terminal shows, a file.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mimobox_sandbox::{Error, Output, Result};
use tokio::io::ReadBuf;
use tokio::sync::oneshot;
use wasmtime::component::{Destination, StreamProducer, StreamResult};
use wasmtime::{AsContextMut, StoreContextMut};

use super::{End, taken_before};
use crate::ctx::Ctx;

/// Bytes at once on the way from one place in the host to another: a guest may pass on what it was given, unread.
const CHUNK: usize = 64 * 1024;

/// Reads straight into the guest's memory, whenever the guest reads: a guest that does not read makes whoever writes wait.
pub(crate) struct Outflow {
    source: Source,
    tell: Option<oneshot::Sender<Result<()>>>,
}

enum Source {
    Coming(Pin<Box<dyn Future<Output = Result<Output>> + Send>>),
    Open(Output),
    Ended,
}

impl Outflow {
    /// Of an output that can be taken once. A second time there is an empty stream, and its end says `already-exists`.
    pub(crate) fn of(output: Option<Output>) -> (Self, End) {
        match output {
            Some(output) => Self::new(Source::Open(output)),
            None => (Self { source: Source::Ended, tell: None }, taken_before()),
        }
    }

    /// Of an output that is yet to come. If it does not, the stream is empty and its end says why.
    pub(crate) fn coming(output: impl Future<Output = Result<Output>> + Send + 'static) -> (Self, End) {
        Self::new(Source::Coming(Box::pin(output)))
    }

    fn new(source: Source) -> (Self, End) {
        let (tell, end) = oneshot::channel();
        (Self { source, tell: Some(tell) }, end)
    }

    /// How many bytes were read; none at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<usize>> {
        if let Source::Coming(output) = &mut self.source {
            self.source = Source::Open(ready!(output.as_mut().poll(cx))?);
        }
        let Source::Open(output) = &mut self.source else { return Poll::Ready(Ok(0)) };
        match ready!(output.as_mut().poll_read(cx, buffer)) {
            Ok(()) => Poll::Ready(Ok(buffer.filled().len())),
            Err(error) => Poll::Ready(Err(Error::from_io(&error))),
        }
    }

    fn end(&mut self, end: Result<()>) -> Poll<wasmtime::Result<StreamResult>> {
        self.source = Source::Ended;
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(end);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl StreamProducer<Ctx> for Outflow {
    type Item = u8;
    /// Never used: bytes go into the guest's own buffer.
    type Buffer = Option<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, Ctx>,
        destination: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if matches!(self.source, Source::Ended) {
            return self.end(Ok(()));
        }
        // A read of no bytes asks whether there are any. A pipe can't be asked without reading, so the answer is to try.
        if destination.remaining(store.as_context_mut()) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut destination = destination.as_direct(store, CHUNK);
        let mut buffer = ReadBuf::new(destination.remaining());
        match self.poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(0)) => self.end(Ok(())),
            Poll::Ready(Ok(count)) => {
                destination.mark_written(count);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Err(error)) => self.end(Err(error)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
