//! A file that is being written.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::work::Supervised;
use crate::backend::Input;
use crate::error::{Error, Result};

/// Where a file's new bytes go. The file is there once it was shut down without an error ([`Writing::finish`]); dropping it
/// before leaves the old file as it was. Its [`io::Error`]s have an [`Error`] in them.
pub struct Writing {
    /// Taken when it is shut down or abandoned.
    bytes: Option<Input>,
    supervised: Supervised,
}

impl Writing {
    pub(super) fn new(bytes: Input, supervised: Supervised) -> Self {
        Self { bytes: Some(bytes), supervised }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).await.map_err(|error| Error::from_io(&error))
    }

    /// Says that all bytes were written; done when the file is there.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn finish(mut self) -> Result<()> {
        self.shutdown().await.map_err(|error| Error::from_io(&error))
    }
}

impl AsyncWrite for Writing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(input) = self.bytes.as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        match input.as_mut().poll_write(cx, bytes) {
            // A pipe may stand still with its sandbox while the operation is past its deadline.
            Poll::Pending => self.supervised.poll_failure(cx).map(Err),
            Poll::Ready(Ok(written)) => Poll::Ready(Ok(written)),
            // The operation's own word is better than that of a pipe whose other end is gone.
            Poll::Ready(Err(error)) => {
                ready!(self.supervised.poll_end(cx)).map_err(io::Error::other)?;
                Poll::Ready(Err(error))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.bytes.as_mut() {
            Some(input) => input.as_mut().poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What has failed and stands still must not find an end of its input when it goes on.
        if let Poll::Ready(failure) = self.supervised.poll_failure(cx) {
            return Poll::Ready(Err(failure));
        }
        if let Some(input) = self.bytes.as_mut() {
            // Where this fails the operation has ended, and says why.
            let _ = ready!(input.as_mut().poll_shutdown(cx));
            self.bytes = None;
        }
        self.supervised.poll_end(cx).map_err(io::Error::other)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let unfinished = self.bytes.take();
        self.supervised.abandon(unfinished);
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").finish_non_exhaustive()
    }
}
