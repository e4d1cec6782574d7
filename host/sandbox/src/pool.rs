//! Sandboxes made ahead of need.
//!
//! A pool makes them in the background, each with its own word from ceiling, policies and audit log, and gives each away
//! once: what was used is destroyed, never put back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::audit::Change;
use crate::error::{Error, Result};
use crate::lifecycle::State;
use crate::run::{Owner, Run};
use crate::sandbox::Sandbox;
use crate::snapshot::Snapshot;
use crate::spec::Spec;

/// What a pool's sandboxes are made of.
#[derive(Clone, Debug)]
pub enum Source {
    /// Nothing but a spec.
    Spec(Spec),
    /// A snapshot, by its own spec.
    Snapshot(Snapshot),
}

/// A pool. Dropping it destroys the sandboxes that nobody took.
pub struct Pool {
    shared: Arc<Shared>,
    filler: JoinHandle<()>,
}

struct Shared {
    owner: Arc<Owner>,
    source: Source,
    size: usize,
    ready: Mutex<Ready>,
    /// That there may be room, or that somebody waits.
    taken: Notify,
}

#[derive(Default)]
struct Ready {
    sandboxes: VecDeque<Sandbox>,
    /// The pool was dropped: what is made from then on is nobody's.
    is_over: bool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.shared.size)
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Begins to make `size` sandboxes, which count among the run's. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `InvalidArgument`: none. `LimitReached`: more than a run may have.
    pub fn open(run: &Run, source: Source, size: u32) -> Result<Self> {
        if size == 0 {
            return Err(Error::invalid("size", "zero"));
        }
        if size > run.owner().ceiling().sandboxes_per_run {
            return Err(Error::LimitReached("sandboxes of one run".into()));
        }
        let shared = Arc::new(Shared {
            owner: run.owner().clone(),
            source,
            size: size as usize,
            ready: Mutex::default(),
            taken: Notify::new(),
        });
        let filler = tokio::spawn(fill(shared.clone()));
        Ok(Self { shared, filler })
    }

    /// Takes one that is ready, or makes one where there is none.
    ///
    /// # Errors
    /// Those of [`Run::create`] or [`Run::restore`].
    pub async fn acquire(&self) -> Result<Sandbox> {
        let ready = self.shared.take();
        self.shared.taken.notify_one();
        match ready {
            Some(sandbox) => {
                sandbox.owner().authority().changed(sandbox.id(), Change::Acquired)?;
                Ok(sandbox)
            }
            None => self.shared.make().await,
        }
    }

    /// How many are ready now.
    pub fn ready(&self) -> u32 {
        let ready = self.shared.ready.lock();
        let live = ready.sandboxes.iter().filter(|sandbox| sandbox.state() == State::Ready).count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.filler.abort();
        let mut ready = self.shared.ready.lock();
        ready.is_over = true;
        for sandbox in ready.sandboxes.drain(..) {
            sandbox.abandon();
        }
    }
}

impl Shared {
    /// The oldest that still lives: its lifetime has run since it was made.
    fn take(&self) -> Option<Sandbox> {
        let mut ready = self.ready.lock();
        std::iter::from_fn(|| ready.sandboxes.pop_front()).find(|sandbox| sandbox.state() == State::Ready)
    }

    async fn make(&self) -> Result<Sandbox> {
        match &self.source {
            Source::Spec(spec) => self.owner.create(spec.clone(), None).await,
            Source::Snapshot(snapshot) => self.owner.restore(snapshot, None).await,
        }
    }

    fn has_room(&self) -> bool {
        let mut ready = self.ready.lock();
        ready.sandboxes.retain(|sandbox| sandbox.state() == State::Ready);
        !ready.is_over && ready.sandboxes.len() < self.size
    }

    fn put(&self, sandbox: Sandbox) {
        let mut ready = self.ready.lock();
        if ready.is_over {
            sandbox.abandon();
        } else {
            ready.sandboxes.push_back(sandbox);
        }
    }
}

/// Keeps a pool full until it is dropped. What fails is tried again when somebody takes one: that one hears why.
async fn fill(shared: Arc<Shared>) {
    loop {
        while shared.has_room() {
            match shared.make().await {
                Ok(sandbox) => shared.put(sandbox),
                Err(error) => {
                    tracing::warn!(%error, "a pool could not make a sandbox");
                    break;
                }
            }
        }
        shared.taken.notified().await;
    }
}
