//! A file that a guest writes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mimobox_sandbox::Writing;
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;

use crate::presence::Presence;

/// Takes the bytes of a file that is being written. Dropped, it gives the file back to be finished: the guest has closed its
/// stream. But if the guest has left, or nobody wants the file any more, it is given up, and the old one stays as it was.
pub(super) struct Unfinished {
    /// Taken when it is dropped.
    writing: Option<Writing>,
    give_back: Option<oneshot::Sender<Writing>>,
    guest: Presence,
}

impl Unfinished {
    /// The file, and where it comes back. Dropping the latter gives it up.
    pub(super) fn new(writing: Writing, guest: Presence) -> (Self, oneshot::Receiver<Writing>) {
        let (give_back, given_back) = oneshot::channel();
        (Self { writing: Some(writing), give_back: Some(give_back), guest }, given_back)
    }

    fn is_unwanted(&mut self, cx: &mut Context<'_>) -> bool {
        self.give_back.as_mut().is_none_or(|give_back| give_back.poll_closed(cx).is_ready())
    }
}

impl AsyncWrite for Unfinished {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_unwanted(cx) {
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
        if let (Some(writing), Some(give_back), false) =
            (self.writing.take(), self.give_back.take(), self.guest.is_over())
        {
            let _ = give_back.send(writing);
        }
    }
}
