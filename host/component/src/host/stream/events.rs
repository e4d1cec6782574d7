//! Output and end of a process as one stream of events.

use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use mimobox_sandbox::{Error, ExitStatus, Output, Process, Result};
use tokio::io::AsyncReadExt;

use crate::bindings::host::mimobox::host::stream::Event;

/// Bytes of output in one event at most.
const CHUNK: usize = 64 * 1024;

/// Reads both outputs, in turn where both have something, and then how it ended. Nothing is read ahead of the guest.
pub(super) struct Events {
    outputs: [Source; 2],
    /// None once it has been told, or where there is nothing to tell.
    ended: Option<Pin<Box<dyn Future<Output = Result<ExitStatus>> + Send>>>,
}

struct Source {
    /// None: it has ended.
    output: Option<Output>,
    event: fn(Vec<u8>) -> Event,
    chunk: Vec<u8>,
}

impl Events {
    /// Of a process of which nobody has taken an output.
    pub(super) fn of(process: Process) -> Option<Self> {
        let (stdout, stderr) = (process.take_stdout()?, process.take_stderr()?);
        let source = |output, event| Source { output: Some(output), event, chunk: Vec::new() };
        // They are swapped before each read: of what a program has written to both, standard output comes first.
        let outputs = [source(stderr, Event::Stderr as fn(_) -> _), source(stdout, Event::Stdout)];
        let ended = Box::pin(async move { process.wait().await });
        Some(Self { outputs, ended: Some(ended) })
    }
}

impl Stream for Events {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        // The one that was read last comes last.
        self.outputs.swap(0, 1);
        let mut pending = false;
        for source in &mut self.outputs {
            match source.poll_chunk(cx) {
                Poll::Ready(None) => {}
                Poll::Pending => pending = true,
                Poll::Ready(event) => return Poll::Ready(event),
            }
        }
        if pending {
            return Poll::Pending;
        }
        let Some(ended) = self.ended.as_mut() else { return Poll::Ready(None) };
        let status = ready!(ended.as_mut().poll(cx));
        self.ended = None;
        Poll::Ready(Some(status.map(|status| Event::Ended(status.into()))))
    }
}

impl Source {
    /// The next chunk; none when it has ended.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        let Some(output) = self.output.as_mut() else { return Poll::Ready(None) };
        self.chunk.reserve_exact(CHUNK);
        match ready!(pin!(output.read_buf(&mut self.chunk)).poll(cx)) {
            Ok(0) => {
                self.output = None;
                Poll::Ready(None)
            }
            Ok(_) => Poll::Ready(Some(Ok((self.event)(mem::take(&mut self.chunk))))),
            Err(error) => Poll::Ready(Some(Err(Error::failed(&error)))),
        }
    }
}
