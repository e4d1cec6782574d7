//! Standard output or error on its way to a guest.

use std::pin::Pin;
use std::task::{Context, Poll};

use mimobox_sandbox::{Error, Output, Result};
use tokio::io::ReadBuf;
use tokio::sync::oneshot;
use wasmtime::component::{Destination, StreamProducer, StreamResult};
use wasmtime::{AsContextMut, StoreContextMut};

use super::{End, taken_before};
use crate::ctx::Ctx;

/// Reads a process's output straight into the guest's memory, whenever the guest reads: a guest that does not read makes
/// the process wait.
pub(super) struct Bytes {
    /// None: there is nothing, or nothing any more.
    output: Option<Output>,
    tell: Option<oneshot::Sender<Result<()>>>,
}

impl Bytes {
    /// Of an output that can be taken once. A second time there is an empty stream, and its end says `already-exists`.
    pub(super) fn of(output: Option<Output>) -> (Self, End) {
        if output.is_none() {
            return (Self { output, tell: None }, taken_before());
        }
        let (tell, end) = oneshot::channel();
        (Self { output, tell: Some(tell) }, end)
    }

    fn end(&mut self, end: Result<()>) -> Poll<wasmtime::Result<StreamResult>> {
        self.output = None;
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(end);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl StreamProducer<Ctx> for Bytes {
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
        let Some(output) = self.output.as_mut() else { return self.end(Ok(())) };
        // A read of no bytes asks whether there are any. A pipe can't be asked without reading, so the answer is to try.
        if destination.remaining(store.as_context_mut()) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut destination = destination.as_direct(store, 0);
        let mut buffer = ReadBuf::new(destination.remaining());
        match output.as_mut().poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => match buffer.filled().len() {
                0 => self.end(Ok(())),
                count => {
                    destination.mark_written(count);
                    Poll::Ready(Ok(StreamResult::Completed))
                }
            },
            Poll::Ready(Err(error)) => self.end(Err(Error::failed(&error))),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
