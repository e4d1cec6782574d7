//! Output and end of a process as one stream of events.

use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use mimobox_sandbox::{Error, ExitStatus, Output, Process, Result};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use wasmtime::component::{Destination, StreamProducer, StreamResult};
use wasmtime::{AsContextMut, StoreContextMut};

use super::{End, taken_before};
use crate::bindings::host::mimobox::host::stream::Event;
use crate::ctx::Ctx;

/// Bytes of output in one event at most.
const CHUNK: usize = 64 * 1024;

/// Reads both outputs, in turn where both have something, and then how it ended. Nothing is read ahead of the guest.
pub(super) struct Events {
    outputs: [Source; 2],
    /// None once it has been told, or where there is nothing to tell.
    ended: Option<Pin<Box<dyn Future<Output = Result<ExitStatus>> + Send>>>,
    tell: Option<oneshot::Sender<Result<()>>>,
}

struct Source {
    /// None: it has ended.
    output: Option<Output>,
    event: fn(Vec<u8>) -> Event,
    chunk: Vec<u8>,
}

impl Events {
    /// Of a process of which nobody has taken an output. Otherwise there is an empty stream, and its end says
    /// `already-exists`.
    pub(super) fn of(process: Process) -> (Self, End) {
        let source = |output, event| Source { output, event, chunk: Vec::new() };
        // They are swapped before each read: of what a program has written to both, standard output comes first.
        let of =
            |stdout, stderr| [source(stderr, Event::Stderr as fn(_) -> _), source(stdout, Event::Stdout)];
        let stdout = process.take_stdout();
        let stderr = if stdout.is_some() { process.take_stderr() } else { None };
        if stderr.is_none() {
            return (Self { outputs: of(None, None), ended: None, tell: None }, taken_before());
        }
        let outputs = of(stdout, stderr);
        let (tell, end) = oneshot::channel();
        let ended = Box::pin(async move { process.wait().await });
        (Self { outputs, ended: Some(ended), tell: Some(tell) }, end)
    }

    /// The next event; none after the last.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>>> {
        // The one that was read last comes last.
        self.outputs.swap(0, 1);
        let mut pending = false;
        for source in &mut self.outputs {
            match source.poll_chunk(cx)? {
                Poll::Ready(Some(event)) => return Poll::Ready(Ok(Some(event))),
                Poll::Ready(None) => {}
                Poll::Pending => pending = true,
            }
        }
        if pending {
            return Poll::Pending;
        }
        let Some(ended) = self.ended.as_mut() else { return Poll::Ready(Ok(None)) };
        let status = ready!(ended.as_mut().poll(cx));
        self.ended = None;
        Poll::Ready(status.map(|status| Some(Event::Ended(status.into()))))
    }

    fn end(&mut self, end: Result<()>) -> Poll<wasmtime::Result<StreamResult>> {
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(end);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl Source {
    /// The next chunk; none when it has ended.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<Event>>> {
        let Some(output) = self.output.as_mut() else { return Ok(Poll::Ready(None)) };
        self.chunk.reserve_exact(CHUNK);
        match pin!(output.read_buf(&mut self.chunk)).poll(cx) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(0)) => {
                self.output = None;
                Ok(Poll::Ready(None))
            }
            Poll::Ready(Ok(_)) => Ok(Poll::Ready(Some((self.event)(mem::take(&mut self.chunk))))),
            Poll::Ready(Err(error)) => Err(Error::failed(&error)),
        }
    }
}

impl StreamProducer<Ctx> for Events {
    type Item = Event;
    type Buffer = Option<Event>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, Ctx>,
        mut destination: Destination<'a, Event, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of no events asks whether there is one. That can't be known without taking it, so the answer is to try.
        if destination.remaining(store.as_context_mut()) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.poll_next(cx) {
            Poll::Ready(Ok(Some(event))) => {
                destination.set_buffer(Some(event));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Ok(None)) => self.end(Ok(())),
            Poll::Ready(Err(error)) => self.end(Err(error)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
