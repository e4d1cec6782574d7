//! What goes on in a fake sandbox: it stands still while the sandbox is paused, and is gone with it.

use std::future::Future;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::{Error, Result};

/// How a fake sandbox is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Running,
    Paused,
    Gone,
}

/// The end of a task, to be taken once.
pub(super) struct End<T>(Mutex<Option<watch::Receiver<Option<Result<T>>>>>);

impl<T: Clone + Send + Sync + 'static> End<T> {
    /// Starts a task that ends with `work`, or with what it is `told`, or with the sandbox. `place` goes with it.
    pub(super) fn of(
        mode: watch::Receiver<Mode>,
        work: impl Future<Output = T> + Send + 'static,
        told: impl Future<Output = T> + Send + 'static,
        place: impl Send + 'static,
    ) -> Self {
        let (end, ended) = watch::channel(None);
        tokio::spawn(async move {
            let mut gone = mode.clone();
            let status = tokio::select! {
                // First: what is gone does nothing more, whatever it was about to do.
                biased;
                () = becomes(&mut gone, |mode| mode == Mode::Gone) => Err(Error::Gone),
                done = while_running(work, mode.clone()) => Ok(done),
                done = while_running(told, mode) => Ok(done),
            };
            drop(place);
            end.send_replace(Some(status));
        });
        Self(Mutex::new(Some(ended)))
    }

    pub(super) async fn ended(&self) -> Result<T> {
        let ended = self.0.lock().take();
        let mut ended = ended.ok_or(Error::Gone)?;
        first(&mut ended).await.unwrap_or(Err(Error::Gone))
    }
}

/// The first value that is there; none where there never will be one.
pub(super) async fn first<T: Clone>(values: &mut watch::Receiver<Option<T>>) -> Option<T> {
    values.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
}

/// Settles once the mode is such; never where it never will be.
async fn becomes(mode: &mut watch::Receiver<Mode>, such: impl Fn(Mode) -> bool) {
    if mode.wait_for(|mode| such(*mode)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Polls `work` only while the sandbox is not paused.
async fn while_running<F: Future>(work: F, mut mode: watch::Receiver<Mode>) -> F::Output {
    let mut work = Box::pin(work);
    loop {
        becomes(&mut mode, |mode| mode != Mode::Paused).await;
        tokio::select! {
            // Looked at first each time: what is paused does not take one more step.
            biased;
            () = becomes(&mut mode, |mode| mode == Mode::Paused) => {}
            output = &mut work => return output,
        }
    }
}
