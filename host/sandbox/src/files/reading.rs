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
    end: Pin<Box<dyn Future<Output = Result<()>> + Send>>,
    ended: Option<Result<()>>,
    _supervised: Supervised,
}

impl Reading {
    pub(super) fn new(bytes: Output, supervised: Supervised) -> Self {
        Self { bytes, end: Box::pin(supervised.end()), ended: None, _supervised: supervised }
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
        ready!(self.bytes.as_mut().poll_read(cx, buffer))?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
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

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}
