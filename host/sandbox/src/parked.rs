//! The output of a detached process: kept so far, then read on.
//!
//! A task reads into a buffer until the operator's limit; then the process waits, as it would for any slow reader. Who
//! attaches gets the buffer first and the rest after it: nothing is lost, nothing grows.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};

use crate::backend::Output;

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

pub(crate) struct Parked(Arc<Mutex<Shelf>>);

struct Shelf {
    kept: Vec<u8>,
    given: usize,
    limit: usize,
    source: Output,
    done: Option<io::Result<()>>,
    /// Somebody reads again: the task that fills the shelf stops at its next turn.
    attached: bool,
    filler: Option<Waker>,
}

impl Parked {
    pub(crate) fn output(source: Output, limit: usize) -> Output {
        let shelf =
            Shelf { kept: Vec::new(), given: 0, limit, source, done: None, attached: false, filler: None };
        let shelf = Arc::new(Mutex::new(shelf));
        // The task must not keep the stream alive: a process whose handle is gone must see its pipe closed.
        let weak = Arc::downgrade(&shelf);
        tokio::spawn(std::future::poll_fn(move |cx| match weak.upgrade() {
            Some(shelf) => shelf.lock().fill(cx),
            None => Poll::Ready(()),
        }));
        Box::pin(Self(shelf))
    }
}

impl Shelf {
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut chunk = [0_u8; CHUNK];
        loop {
            if self.attached || self.done.is_some() || self.kept.len() >= self.limit {
                return Poll::Ready(());
            }
            let room = CHUNK.min(self.limit - self.kept.len());
            let mut buffer = ReadBuf::new(chunk.get_mut(..room).unwrap_or_default());
            match self.source.as_mut().poll_read(cx, &mut buffer) {
                Poll::Pending => {
                    self.filler = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.done = Some(Ok(())),
                Poll::Ready(Ok(())) => self.kept.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(error)) => self.done = Some(Err(error)),
            }
        }
    }
}

impl AsyncRead for Parked {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut shelf = self.0.lock();
        if !shelf.attached {
            shelf.attached = true;
            if let Some(filler) = shelf.filler.take() {
                filler.wake();
            }
        }
        let left = shelf.kept.get(shelf.given..).unwrap_or_default();
        if !left.is_empty() {
            let count = left.len().min(buffer.remaining());
            buffer.put_slice(left.get(..count).unwrap_or_default());
            shelf.given += count;
            if shelf.given == shelf.kept.len() {
                shelf.kept = Vec::new();
                shelf.given = 0;
            }
            return Poll::Ready(Ok(()));
        }
        match shelf.done.take() {
            Some(Ok(())) => {
                shelf.done = Some(Ok(()));
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => {
                shelf.done = Some(Ok(()));
                Poll::Ready(Err(error))
            }
            None => shelf.source.as_mut().poll_read(cx, buffer),
        }
    }
}
