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
    /// Taken when it is abandoned.
    bytes: Option<Input>,
    is_shut_down: bool,
    end: Pin<Box<dyn Future<Output = Result<()>> + Send>>,
    ended: Option<Result<()>>,
    supervised: Supervised,
}

impl Writing {
    pub(super) fn new(bytes: Input, supervised: Supervised) -> Self {
        let end = Box::pin(supervised.end());
        Self { bytes: Some(bytes), is_shut_down: false, end, ended: None, supervised }
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

    /// What came of the operation: its own word is better than that of a pipe whose other end is gone.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = match self.ended.clone() {
            Some(end) => end,
            None => {
                let end = ready!(self.end.as_mut().poll(cx));
                self.ended.insert(end).clone()
            }
        };
        Poll::Ready(end.map_err(io::Error::other))
    }
}

impl AsyncWrite for Writing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let input = self.bytes.as_mut().ok_or_else(gone)?;
        match ready!(input.as_mut().poll_write(cx, bytes)) {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(_) => {
                ready!(self.poll_end(cx))?;
                Poll::Ready(Err(gone()))
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
        if !self.is_shut_down
            && let Some(input) = self.bytes.as_mut()
        {
            // Where this fails the operation has ended, and says why.
            let _ = ready!(input.as_mut().poll_shutdown(cx));
            self.is_shut_down = true;
            self.bytes = None;
        }
        self.poll_end(cx)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.is_shut_down {
            let bytes = self.bytes.take();
            self.supervised.abandon(bytes);
        }
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").finish_non_exhaustive()
    }
}
