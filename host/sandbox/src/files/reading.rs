//! A file that is being read.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::work::Supervised;
use crate::backend::Output;
use crate::error::{Error, Result};

/// The bytes of a file. Its end of file is the file's: an operation that failed gives an [`io::Error`] there, with an
/// [`Error`] in it. Dropping it stops the reading.
pub struct Reading {
    bytes: Output,
    supervised: Supervised,
}

impl Reading {
    pub(super) fn new(bytes: Output, supervised: Supervised) -> Self {
        Self { bytes, supervised }
    }

    /// Reads all of it, up to `limit` bytes.
    ///
    /// # Errors
    /// Those of the operation. `LimitReached("file")`: there was more.
    pub async fn to_vec(mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let most = (limit as u64).saturating_add(1);
        (&mut self).take(most).read_to_end(&mut all).await.map_err(|error| Error::from_io(&error))?;
        if all.len() > limit { Err(Error::LimitReached("file".into())) } else { Ok(all) }
    }
}

impl AsyncRead for Reading {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match self.bytes.as_mut().poll_read(cx, buffer) {
            // A pipe may stand still with its sandbox while the operation is past its deadline.
            Poll::Pending => self.supervised.poll_failure(cx).map(Err),
            Poll::Ready(Ok(())) if buffer.filled().len() > before || buffer.remaining() == 0 => {
                Poll::Ready(Ok(()))
            }
            Poll::Ready(read) => {
                ready!(self.supervised.poll_end(cx)).map_err(io::Error::other)?;
                Poll::Ready(read)
            }
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}
