//! What was asked of the agent and is not yet done with: the only answers that it may give.
//!
//! ```text
//!   Spawning ── Started ──► Running ── Ended ──► (done)
//!      └─────── Refused ──► (done)
//!   Asking ── Signalled, Resized ──► (done)
//!   Measuring ── Used ──► (done)
//! ```

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use mimobox_protocol::{ExitStatus, MachineUsage, Response, SignalFailure, SpawnFailure, UsageFailure};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{ClientError, Disconnect};

/// Who waits for an answer to one request, or for the end of the process that came of it.
#[derive(Debug)]
pub(crate) enum Waiting {
    Spawning {
        /// None once nobody waits any more: what it starts is then killed.
        reply: Option<oneshot::Sender<Result<(), SpawnFailure>>>,
        ended: oneshot::Sender<ExitStatus>,
        /// Given back with the answer.
        _permit: OwnedSemaphorePermit,
    },
    Running {
        ended: oneshot::Sender<ExitStatus>,
    },
    Asking {
        /// None if nobody wants to know.
        reply: Option<oneshot::Sender<Result<(), SignalFailure>>>,
        /// None if it was the client's own.
        _permit: Option<OwnedSemaphorePermit>,
    },
    Measuring {
        reply: oneshot::Sender<Result<MachineUsage, UsageFailure>>,
        _permit: OwnedSemaphorePermit,
    },
}

/// A process that nobody waits for: to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orphan(pub(crate) u32);

#[derive(Debug, Default)]
pub(crate) struct Requests {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u32,
    open: HashMap<u32, Waiting>,
    closed: bool,
}

impl Requests {
    /// Takes a request in under a number that no other has.
    pub(crate) fn add(&self, request: Waiting) -> Result<u32, ClientError> {
        let mut table = self.table.lock();
        if table.closed {
            return Err(ClientError::Gone);
        }
        loop {
            let id = table.next;
            table.next = id.wrapping_add(1);
            if let Entry::Vacant(place) = table.open.entry(id) {
                place.insert(request);
                return Ok(id);
            }
        }
    }

    /// Takes a request out that was never sent.
    pub(crate) fn withdraw(&self, id: u32) {
        self.table.lock().open.remove(&id);
    }

    /// Says that nobody waits for a spawn any more. The orphan, if it runs already.
    pub(crate) fn abandon(&self, id: u32) -> Option<Orphan> {
        match self.table.lock().open.get_mut(&id)? {
            Waiting::Spawning { reply, .. } => {
                *reply = None;
                None
            }
            Waiting::Running { .. } => Some(Orphan(id)),
            Waiting::Asking { .. } | Waiting::Measuring { .. } => None,
        }
    }

    /// Passes an answer on to who waits for it.
    pub(crate) fn answer(&self, response: Response) -> Result<Option<Orphan>, Disconnect> {
        let mut table = self.table.lock();
        // Whoever waits may be gone: sending to nobody is no error anywhere below.
        match response {
            Response::Started { id } => match table.open.remove(&id) {
                Some(Waiting::Spawning { reply, ended, .. }) => {
                    table.open.insert(id, Waiting::Running { ended });
                    Ok(match reply {
                        Some(reply) => {
                            let _ = reply.send(Ok(()));
                            None
                        }
                        None => Some(Orphan(id)),
                    })
                }
                _ => Err(Disconnect::UnexpectedAnswer { id }),
            },
            Response::Refused { id, failure } => match table.open.remove(&id) {
                Some(Waiting::Spawning { reply, .. }) => {
                    let _ = reply.map(|reply| reply.send(Err(failure)));
                    Ok(None)
                }
                _ => Err(Disconnect::UnexpectedAnswer { id }),
            },
            Response::Ended { id, status } => match table.open.remove(&id) {
                Some(Waiting::Running { ended }) => {
                    let _ = ended.send(status);
                    Ok(None)
                }
                _ => Err(Disconnect::UnexpectedAnswer { id }),
            },
            Response::Signalled { id, delivered: answer } | Response::Resized { id, resized: answer } => {
                match table.open.remove(&id) {
                    Some(Waiting::Asking { reply, .. }) => {
                        let _ = reply.map(|reply| reply.send(answer));
                        Ok(None)
                    }
                    _ => Err(Disconnect::UnexpectedAnswer { id }),
                }
            }
            Response::Used { id, usage } => match table.open.remove(&id) {
                Some(Waiting::Measuring { reply, .. }) => {
                    let _ = reply.send(usage);
                    Ok(None)
                }
                _ => Err(Disconnect::UnexpectedAnswer { id }),
            },
        }
    }

    /// Lets everybody who waits know that no answer will come, and takes no more in.
    pub(crate) fn close(&self) {
        let open = {
            let mut table = self.table.lock();
            table.closed = true;
            std::mem::take(&mut table.open)
        };
        // Outside the lock, as this wakes the waiting.
        drop(open);
    }
}
