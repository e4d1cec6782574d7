//! A file that a guest writes.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use mimobox_sandbox::Writing;
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::presence::Presence;

/// Takes the bytes of a file that is being written. Dropped, it gives the file back to be finished: the guest has closed its
/// stream. But if the guest has left, or does not want the file any more, it is given up, and the old one stays as it was.
pub(super) struct Unfinished {
    /// Both taken when it is dropped.
    writing: Option<Writing>,
    give_back: Option<oneshot::Sender<Writing>>,
    guest: Presence,
    wanted: Wanted,
}

/// That the guest wants a file: it has the future of its end.
pub(super) struct Wanted(oneshot::Receiver<Infallible>);

/// As long as the guest has that future.
pub(super) struct Want(#[expect(dead_code, reason = "what counts is its drop")] oneshot::Sender<Infallible>);

impl Wanted {
    pub(super) fn new() -> (Want, Self) {
        let (want, wanted) = oneshot::channel();
        (Want(want), Self(wanted))
    }

    fn is_over(&mut self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Closed)
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_unpin(cx).map(drop)
    }
}

impl Unfinished {
    /// The file, and where it comes back unless it is given up.
    pub(super) fn new(
        writing: Writing,
        guest: Presence,
        wanted: Wanted,
    ) -> (Self, oneshot::Receiver<Writing>) {
        let (give_back, given_back) = oneshot::channel();
        (Self { writing: Some(writing), give_back: Some(give_back), guest, wanted }, given_back)
    }
}

impl AsyncWrite for Unfinished {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.wanted.poll_over(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match self.writing.as_mut() {
            Some(writing) => Pin::new(writing).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing.as_mut().map_or(Poll::Ready(Ok(())), |writing| Pin::new(writing).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing.as_mut().map_or(Poll::Ready(Ok(())), |writing| Pin::new(writing).poll_shutdown(cx))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.guest.is_over() || self.wanted.is_over() {
            return;
        }
        if let (Some(writing), Some(give_back)) = (self.writing.take(), self.give_back.take()) {
            let _ = give_back.send(writing);
        }
    }
}
