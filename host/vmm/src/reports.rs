//! What the VMM's threads tell the main thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use mimobox_vmm_protocol::{End, Failure};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, write};

use crate::jail::{Filter, FilterError};
use crate::processor::ProcessorState;

/// How long a thread may take for an answer. None of them waits for anything but the kernel.
const PATIENCE: Duration = Duration::from_secs(30);

/// A thread's answer, or the guest's end.
#[derive(Debug)]
pub(crate) enum Report {
    /// Its filter, and whether that is installed.
    Jailed(Filter, Result<(), FilterError>),
    /// A processor is ready, or is not.
    Begun(Result<(), Failure>),
    /// A processor is out of the guest.
    Stopped,
    /// A processor's state.
    Saved(Result<Box<ProcessorState>, Failure>),
    /// The guest has ended.
    Ended(End),
}

/// A thread's end of the line.
#[derive(Debug)]
pub(crate) struct Reporter {
    sender: Sender<Report>,
    wake: Arc<OwnedFd>,
    /// Held by a thread, whose panic is told when this is dropped.
    of_thread: bool,
}

/// The main thread's end.
#[derive(Debug)]
pub(crate) struct Reports {
    received: Receiver<Report>,
    wake: Arc<OwnedFd>,
}

/// Both ends.
///
/// # Errors
/// Those of eventfd(2).
pub(crate) fn line() -> Result<(Reporter, Reports), Errno> {
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let (sender, received) = channel();
    Ok((Reporter { sender, wake: Arc::clone(&wake), of_thread: false }, Reports { received, wake }))
}

impl Reporter {
    /// One for a thread. If that panics, the machine ends.
    pub(crate) fn for_thread(&self) -> Self {
        Self { sender: self.sender.clone(), wake: Arc::clone(&self.wake), of_thread: true }
    }

    /// Tells the main thread.
    pub(crate) fn send(&self, report: Report) {
        // Without a main thread there is nobody to tell, and soon no process.
        let _ = self.sender.send(report);
        // A counter that is full wakes as well.
        let _ = write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if self.of_thread && std::thread::panicking() {
            self.send(Report::Ended(End::ThreadFailed));
        }
    }
}

impl Reports {
    /// Waits for the next.
    ///
    /// # Errors
    /// `Thread`: none answers.
    pub(crate) fn wait(&self) -> Result<Report, Failure> {
        self.received.recv_timeout(PATIENCE).map_err(|_| Failure::Thread)
    }

    /// The next that is there. To be called until none is, once [`wake`](Self::wake) is readable.
    pub(crate) fn next(&self) -> Option<Report> {
        // If it is not readable the reports were announced before, and are there all the same.
        let _ = read(&*self.wake, &mut [0; 8]);
        self.received.try_recv().ok()
    }

    /// Readable when there may be a report.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
