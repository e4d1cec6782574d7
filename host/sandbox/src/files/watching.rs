//! A file or directory that is being watched.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::Fuse;
use futures_util::{Stream, StreamExt as _};

use super::work::Supervised;
use super::{Changes, FileChange};
use crate::error::Result;

/// Changes, in order. It ends when the watched path is gone, or with an error. Dropping it stops the watching; not reading
/// it loses nothing until the kernel's queue is full, which is an error then.
pub struct Watching {
    changes: Fuse<Changes>,
    supervised: Supervised,
    is_over: bool,
}

impl Watching {
    pub(super) fn new(changes: Changes, supervised: Supervised) -> Self {
        Self { changes: changes.fuse(), supervised, is_over: false }
    }
}

impl Stream for Watching {
    type Item = Result<FileChange>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let change = match ready!(self.changes.poll_next_unpin(cx)) {
            Some(change) => Some(change),
            // What was cut short is no end.
            None => ready!(self.supervised.poll_end(cx)).err().map(Err),
        };
        self.is_over = !matches!(change, Some(Ok(_)));
        Poll::Ready(change)
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}
