//! Clears up behind sandboxes that have ended: a thread of the backend's, since nobody needs to wait for it.
//!
//! ```text
//!   Enclosure ── killed, and pid 1 has ended ──► Remains ──queue──► reaped ─► mounts let go of ─► cgroups removed ─► users free
//!                nothing of it runs any more                        by the thread, in the order in which they came
//! ```
//!
//! Nothing that another sandbox could need is given back before its turn: a range of users is free only when no mount is left
//! that knows it. Dropping the undertaker waits until all is done, so that a host that ends leaves nothing.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use mimobox_confine::cgroup::Group;
use mimobox_confine::launch::{Child, HeldMounts};
use parking_lot::Mutex;

use crate::error::DestroyError;
use crate::standing::Population;

/// What is left of a sandbox in which nothing runs any more. Dropping it clears it up, on the thread that does.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) agent: Child,
    /// Goes after the agent: until then its end has no mounts to take apart.
    pub(crate) mounts: Option<HeldMounts>,
    pub(crate) group: Arc<Group>,
    /// Last: whoever gets them next finds nothing of this one.
    pub(crate) _users: Population,
}

impl Remains {
    fn clear(&mut self) -> Result<(), DestroyError> {
        self.agent.wait().map_err(DestroyError::End)?;
        drop(self.mounts.take());
        self.group.remove().map_err(DestroyError::Groups)
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            tracing::error!(cause = &error as &dyn std::error::Error, "a sandbox was not cleared up");
        }
    }
}

/// The thread, started with the first that it is given.
#[derive(Debug, Default)]
pub(crate) struct Undertaker {
    work: Mutex<Option<Work>>,
}

#[derive(Debug)]
struct Work {
    queue: Sender<Remains>,
    thread: JoinHandle<()>,
}

impl Undertaker {
    /// Has it cleared up. Where the machine has no thread to spare, that is done before this returns.
    pub(crate) fn take(&self, remains: Remains) {
        let mut work = self.work.lock();
        if work.is_none() {
            *work = Work::begin();
        }
        if let Some(Work { queue, .. }) = work.as_ref() {
            // What can't be sent comes back in the error, and is cleared up with it.
            drop(queue.send(remains));
        }
    }
}

impl Work {
    fn begin() -> Option<Self> {
        let (queue, remains) = mpsc::channel();
        let clear = move || remains.into_iter().for_each(drop);
        let thread = thread::Builder::new().name("mimobox-undertaker".to_owned()).spawn(clear).ok()?;
        Some(Self { queue, thread })
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        if let Some(Work { queue, thread }) = self.work.get_mut().take() {
            // The end of the queue is what the thread ends at.
            drop(queue);
            if thread.join().is_err() {
                tracing::error!("the thread that clears up behind sandboxes has failed");
            }
        }
    }
}
