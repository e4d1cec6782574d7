//! A component's output in memory, for `--json`: bounded, since a component writes as much as it likes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;

/// Keeps what is written, up to a limit. Clones are the same memory.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    kept: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl Capture {
    /// Keeps `limit` bytes at most; whoever writes more is told that nobody reads.
    pub(crate) fn new(limit: u64) -> Self {
        Self { kept: Arc::default(), limit: usize::try_from(limit).unwrap_or(usize::MAX) }
    }

    /// What was written so far.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.kept.lock())
    }
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut kept = self.kept.lock();
        let room = self.limit.saturating_sub(kept.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        if taken.is_empty() && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        kept.extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_kept_up_to_the_limit() {
        let capture = Capture::new(5);
        let mut writer = capture.clone();
        writer.write_all(b"123").await.unwrap();
        assert!(writer.write_all(b"456").await.is_err());
        assert_eq!(capture.take(), b"12345");
    }
}
