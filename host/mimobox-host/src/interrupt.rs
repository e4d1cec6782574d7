//! Signals that end the host: Ctrl-C, SIGTERM, and the terminal's hang-up.
//!
//! The first one ends the work, and what the work made is destroyed; a second one, while that goes on, ends the host at
//! once, which the sandboxes do not outlive either: their agents see its end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from when it is made.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// The number of the signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupted(pub(crate) u8);

impl Interrupts {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Does `work` to its end, or drops it where a signal comes first.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        tokio::select! {
            // What ended in the same moment has ended.
            biased;
            done = work => Ok(done),
            number = self.next() => Err(Interrupted(number)),
        }
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hang_up.recv() => 1,
        }
    }
}
