//! Watches over an operation on files: its deadline, its end in the audit log, and what becomes of it when nobody wants it
//! any more.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backend::Input;
use crate::counted::Tally;
use crate::error::{Error, Result};
use crate::files::Work;
use crate::lifecycle::{Lifecycle, State};

/// How long a stopped operation may take to be gone. Past that the sandbox is of unknown state.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What an operation is tied to.
pub(super) struct Ties {
    pub(super) lifecycle: Lifecycle,
    pub(super) tally: Arc<Tally>,
    /// Its place among the operations that may be under way at once.
    pub(super) place: super::operations::Place,
    pub(super) deadline: Option<Instant>,
}

/// The consumer's end of an operation that is watched over. Dropping it stops the operation.
pub(super) struct Supervised {
    /// Taken when it is abandoned.
    abandon: Option<oneshot::Sender<Option<Input>>>,
    end: Shared<oneshot::Receiver<Result<()>>>,
}

impl Supervised {
    /// Takes over an operation that a backend has just begun.
    pub(super) fn start(work: Arc<dyn Work>, ties: Ties) -> Self {
        let (abandon, abandoned) = oneshot::channel();
        let (settle, end) = oneshot::channel();
        tokio::spawn(supervise(work, ties, abandoned, settle));
        Self { abandon: Some(abandon), end: end.shared() }
    }

    /// What came of it.
    pub(super) fn end(&self) -> impl Future<Output = Result<()>> + Send + Unpin + use<> {
        self.end.clone().map(|end| end.unwrap_or(Err(Error::Gone)))
    }

    /// Stops it, and lets go of `input` only when it has: its end of file must not be taken for the end of what was to be
    /// written.
    pub(super) fn abandon(&mut self, input: Option<Input>) {
        if let Some(abandon) = self.abandon.take() {
            // Where nobody listens it has ended.
            let _ = abandon.send(input);
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.abandon(None);
    }
}

async fn supervise(
    work: Arc<dyn Work>,
    ties: Ties,
    abandoned: oneshot::Receiver<Option<Input>>,
    settle: oneshot::Sender<Result<()>>,
) {
    let Ties { lifecycle, tally, place, deadline } = ties;
    let ended = work.ended();
    tokio::pin!(ended);
    let expired = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    // Held until the operation has stopped.
    let mut input = None;
    let end = tokio::select! {
        // What has ended is not stopped: a drop right after the end is no abandonment.
        biased;
        end = &mut ended => Ok(end),
        given = abandoned => {
            input = given.ok().flatten();
            Err(Error::Gone)
        }
        () = expired => Err(Error::TimedOut),
    };
    let mut settle = Some(settle);
    let end = match end {
        Ok(end) => end,
        Err(verdict) => {
            // What stands still can't be stopped: that waits for the sandbox to go on, the verdict does not.
            if lifecycle.state() == State::Paused {
                let _ = settle.take().map(|settle| settle.send(Err(verdict.clone())));
                lifecycle.left(State::Paused).await;
            }
            let stopped = async {
                match work.stop().await {
                    // It ended in the same moment.
                    Ok(()) | Err(Error::Gone) => drop(ended.await),
                    Err(error) => return error,
                }
                verdict
            };
            Err(timeout(STOP_GRACE, stopped).await.unwrap_or(Error::Poisoned))
        }
    };
    drop(input);
    if matches!(&end, Err(error) if error.poisons() || *error == Error::Poisoned) {
        lifecycle.poison().await;
    }
    drop(place);
    tally.settle(end.clone().map(|()| None));
    let _ = settle.map(|settle| settle.send(end));
}
