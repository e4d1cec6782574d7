//! Watches over an operation on files: its deadline, its end in the audit log, and what becomes of it when nobody wants it
//! any more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use super::operations::Place;
use crate::backend::Input;
use crate::counted::Tally;
use crate::error::{Error, Result};
use crate::files::Work;
use crate::lifecycle::{Lifecycle, State};

/// How long a stopped operation may take to be gone. Past that the sandbox is of unknown state.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// What an operation is tied to.
pub(super) struct Ties {
    pub(super) lifecycle: Lifecycle,
    pub(super) tally: Arc<Tally>,
    pub(super) place: Place,
}

/// The consumer's end of an operation that is watched over. Dropping it stops the operation.
pub(super) struct Supervised {
    /// Taken when it is abandoned.
    abandon: Option<oneshot::Sender<Option<Input>>>,
    settled: oneshot::Receiver<Result<()>>,
    end: Option<Result<()>>,
}

impl Supervised {
    /// Takes over an operation that a backend has just begun.
    pub(super) fn start(work: Arc<dyn Work>, ties: Ties) -> Self {
        let (abandon, abandoned) = oneshot::channel();
        let (settle, settled) = oneshot::channel();
        tokio::spawn(supervise(work, ties, abandoned, settle));
        Self { abandon: Some(abandon), settled, end: None }
    }

    /// What came of it.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let end = match self.end.take() {
            Some(end) => end,
            None => ready!(self.settled.poll_unpin(cx)).unwrap_or(Err(Error::Gone)),
        };
        Poll::Ready(self.end.insert(end).clone())
    }

    /// Why its stream moves no more, where it has failed. A stream that merely waits is woken when it does.
    pub(super) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.poll_end(cx) {
            Poll::Ready(Err(failure)) => Poll::Ready(io::Error::other(failure)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
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
    mut abandoned: oneshot::Receiver<Option<Input>>,
    settle: oneshot::Sender<Result<()>>,
) {
    let Ties { lifecycle, tally, place } = ties;
    let ended = work.ended();
    tokio::pin!(ended);
    let expired = async {
        match place.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    // Held until the operation has stopped.
    let mut input = None;
    let mut is_abandoned = false;
    let end = tokio::select! {
        // What has ended is not stopped: a drop right after the end is no abandonment.
        biased;
        end = &mut ended => Ok(end),
        given = &mut abandoned => {
            input = given.ok().flatten();
            is_abandoned = true;
            Err(Error::Gone)
        }
        () = expired => Err(Error::TimedOut),
    };
    let mut settle = Some(settle);
    let Stopped { end, is_over } = match end {
        Ok(end) => Stopped::by_itself(end),
        Err(verdict) => {
            // What stands still can't be stopped: that waits for the sandbox to go on, the verdict does not.
            if lifecycle.state() == State::Paused {
                let _ = settle.take().map(|settle| settle.send(Err(verdict.clone())));
            }
            stop(work.as_ref(), ended, &lifecycle, verdict).await
        }
    };
    if end.as_ref().is_err_and(|error| error.poisons() || *error == Error::Poisoned) {
        lifecycle.poison().await;
    }
    tally.settle(end.clone().map(|()| None));
    let _ = settle.map(|settle| settle.send(end));
    // Where an operation's end was not told, an agent that takes the word to stop is there, and lets nothing of it go on.
    if !is_over && work.stop().await.is_err() {
        // A sandbox that is being destroyed still runs for a moment, and would take the input's end for the file's. The place
        // is held as well, or there could be any number of such inputs.
        if !is_abandoned {
            tokio::select! {
                given = &mut abandoned => input = given.ok().flatten(),
                () = lifecycle.closed() => {}
            }
        }
        lifecycle.closed().await;
    }
    // An input that was given up after the deadline waits in the channel.
    drop((input, abandoned, place));
}

/// What came of an operation.
struct Stopped {
    end: Result<()>,
    /// Whether its input may end: it has ended itself, or knows that it is to. Where its sandbox has gone, nobody says so.
    is_over: bool,
}

impl Stopped {
    fn by_itself(end: Result<()>) -> Self {
        let is_over = end != Err(Error::Gone);
        Self { end, is_over }
    }

    fn as_told(end: Result<()>) -> Self {
        Self { end, is_over: true }
    }

    fn without_an_end(error: Error) -> Self {
        Self { end: Err(error), is_over: false }
    }
}

/// Stops an operation for the reason `verdict`.
async fn stop(
    work: &dyn Work,
    mut ended: Pin<&mut impl Future<Output = Result<()>>>,
    lifecycle: &Lifecycle,
    verdict: Error,
) -> Stopped {
    loop {
        lifecycle.left(State::Paused).await;
        let stopped = async {
            match work.stop().await {
                Ok(()) => Ok(Stopped::as_told(ended.as_mut().await)),
                Err(Error::Gone) => Ok(Stopped::by_itself(ended.as_mut().await)),
                Err(error) => Err(error),
            }
        };
        tokio::select! {
            stopped = timeout(STOP_GRACE, stopped) => return match stopped {
                // It ended well in the same moment, or badly.
                Ok(Ok(Stopped { end: Err(error), is_over })) if !error.poisons() => {
                    Stopped { end: Err(verdict), is_over }
                }
                Ok(Ok(stopped)) => stopped,
                Ok(Err(error)) if error.poisons() => Stopped::without_an_end(error),
                Ok(Err(_)) => Stopped::without_an_end(verdict),
                Err(_) => Stopped::without_an_end(Error::Poisoned),
            },
            // It is told again when the sandbox goes on.
            () = lifecycle.paused() => {}
        }
    }
}
