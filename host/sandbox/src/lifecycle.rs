//! The life of one sandbox, owned by one task.
//!
//! ```text
//!   create ─► Ready ⇄ Paused ──► Closed      close, end of lifetime, death of the backend's sandbox
//!               │        │          ▲
//!               └────────┴► Poisoned┘         a failure that left it in an unknown state; what ran in it is killed
//! ```
//!
//! Everybody else sends messages: so a pause, a close and the end of the lifetime never cross, and what an operation may
//! rely on is decided in one place.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::audit::Change;
use crate::authority::Authority;
use crate::backend::{Instance, SandboxId};
use crate::error::{Error, Result};

/// Messages that may wait for the driver; a sender waits for room.
const MESSAGES: usize = 64;

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Takes commands.
    Ready,
    /// Every process stands still.
    Paused,
    /// Of unknown state: only closing it makes sense.
    Poisoned,
    /// Nothing is left of it.
    Closed,
}

impl State {
    /// Whether a command may start, or why not.
    pub(crate) fn admits_command(self) -> Result<()> {
        match self {
            Self::Ready => Ok(()),
            Self::Paused => Err(Error::invalid("sandbox", "it is paused")),
            Self::Poisoned => Err(Error::Poisoned),
            Self::Closed => Err(Error::Gone),
        }
    }

    /// Whether it can be asked about itself, or why not.
    pub(crate) fn admits_question(self) -> Result<()> {
        match self {
            Self::Ready | Self::Paused => Ok(()),
            Self::Poisoned => Err(Error::Poisoned),
            Self::Closed => Err(Error::Gone),
        }
    }
}

enum Message {
    Pause(oneshot::Sender<Result<()>>),
    Resume(oneshot::Sender<Result<()>>),
    Poison,
    Close(oneshot::Sender<Result<()>>),
}

/// The way to a sandbox's driver.
#[derive(Clone)]
pub(crate) struct Lifecycle {
    messages: mpsc::Sender<Message>,
    state: watch::Receiver<State>,
}

impl Lifecycle {
    /// Starts the driver of a sandbox that is ready. `place` is its place in the quotas, dropped when nothing of it is left.
    pub(crate) fn start<P: Send + 'static>(
        id: SandboxId,
        instance: Arc<dyn Instance>,
        authority: Arc<Authority>,
        lifetime: Duration,
        place: P,
    ) -> Self {
        let (messages, inbox) = mpsc::channel(MESSAGES);
        let (state_writer, state) = watch::channel(State::Ready);
        let driver = Driver { id, instance, authority, state: state_writer };
        tokio::spawn(driver.run(inbox, lifetime, place));
        Self { messages, state }
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Settles once the state is no longer `while_in`; gives the new one.
    pub(crate) async fn left(&self, while_in: State) -> State {
        let mut state = self.state.clone();
        match state.wait_for(|state| *state != while_in).await {
            Ok(state) => *state,
            Err(_) => State::Closed,
        }
    }

    /// Settles while it is paused; never where it never will be.
    pub(crate) async fn paused(&self) {
        if self.state.clone().wait_for(|state| *state == State::Paused).await.is_err() {
            std::future::pending().await
        }
    }

    /// Settles once nothing is left of the sandbox.
    pub(crate) async fn closed(&self) {
        // Without a driver there is nothing left either.
        let _ = self.state.clone().wait_for(|state| *state == State::Closed).await;
    }

    pub(crate) async fn pause(&self) -> Result<()> {
        self.ask(Message::Pause).await
    }

    pub(crate) async fn resume(&self) -> Result<()> {
        self.ask(Message::Resume).await
    }

    /// Ends it; done when nothing is left. Closing a closed one is no error.
    pub(crate) async fn close(&self) -> Result<()> {
        match self.ask(Message::Close).await {
            Err(Error::Gone) => Ok(()),
            answer => answer,
        }
    }

    /// Ends it without waiting.
    pub(crate) fn abandon(&self) {
        let lifecycle = self.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { lifecycle.close().await });
        }
        // Without a runtime the driver is gone too, and with it the last reference to the instance.
    }

    /// Says that the sandbox is of unknown state.
    pub(crate) async fn poison(&self) {
        // A closed sandbox needs no poison.
        let _ = self.messages.send(Message::Poison).await;
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<Result<()>>) -> Message) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(message(reply)).await.map_err(|_| Error::Gone)?;
        answer.await.map_err(|_| Error::Gone)?
    }
}

struct Driver {
    id: SandboxId,
    instance: Arc<dyn Instance>,
    authority: Arc<Authority>,
    state: watch::Sender<State>,
}

impl Driver {
    async fn run<P>(self, mut inbox: mpsc::Receiver<Message>, lifetime: Duration, place: P) {
        let instance = self.instance.clone();
        let ended = instance.ended();
        tokio::pin!(ended);
        let expiry = Instant::now().checked_add(lifetime);
        let expired = async {
            match expiry {
                Some(expiry) => sleep_until(expiry).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(expired);
        let mut waiting = Vec::new();
        let change = loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    // Every handle is gone: nobody can use it any more.
                    None => break Change::Closing,
                    Some(Message::Close(reply)) => {
                        waiting.push(reply);
                        break Change::Closing;
                    }
                    Some(Message::Pause(reply)) => { let _ = reply.send(self.pause().await); }
                    Some(Message::Resume(reply)) => { let _ = reply.send(self.resume().await); }
                    Some(Message::Poison) => self.poison().await,
                },
                () = &mut expired => break Change::Expired,
                () = &mut ended, if *self.state.borrow() != State::Poisoned => break Change::Died,
            }
        };
        let recorded = self.authority.changed(&self.id, change);
        let destroyed = self.instance.destroy().await;
        self.state.send_replace(State::Closed);
        // Before anybody hears of it: who closed a sandbox may make another at once.
        drop(place);
        inbox.close();
        // Not `try_recv`: whoever was about to send when this closed may not have sent yet, and would wait for ever.
        while let Some(message) = inbox.recv().await {
            if let Message::Close(reply) = message {
                waiting.push(reply);
            }
        }
        for reply in waiting {
            let _ = reply.send(recorded.clone().and(destroyed.clone()));
        }
    }

    async fn pause(&self) -> Result<()> {
        match *self.state.borrow() {
            State::Ready => {}
            State::Paused => return Ok(()),
            state => return state.admits_question(),
        }
        self.authority.changed(&self.id, Change::Pausing)?;
        self.settle(self.instance.pause().await, State::Paused).await
    }

    async fn resume(&self) -> Result<()> {
        match *self.state.borrow() {
            State::Paused => {}
            State::Ready => return Ok(()),
            state => return state.admits_question(),
        }
        self.authority.changed(&self.id, Change::Resuming)?;
        self.settle(self.instance.resume().await, State::Ready).await
    }

    async fn settle(&self, outcome: Result<()>, state: State) -> Result<()> {
        match &outcome {
            Ok(()) => {
                self.state.send_replace(state);
            }
            Err(error) if error.poisons() => self.poison().await,
            Err(_) => {}
        }
        outcome
    }

    /// What runs in a sandbox of unknown state must not go on: it is killed at once, and the state says so until it is
    /// closed.
    async fn poison(&self) {
        if *self.state.borrow() == State::Poisoned {
            return;
        }
        self.state.send_replace(State::Poisoned);
        // The refusals that follow do not depend on these two; both failures are in the operator's log.
        let _ = self.authority.changed(&self.id, Change::Poisoned);
        let _ = self.instance.destroy().await;
    }
}
