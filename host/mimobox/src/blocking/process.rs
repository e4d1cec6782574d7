//! Commands that run, waited for.

use mimobox_sandbox::{ExitStatus, Signal};

use super::{Blocking, wait};
use crate::error::Result;
use crate::process::{ProcessInput, ProcessOutput};
use crate::stream::StreamEvent;

/// The events of a running command, as an iterator: [`mimobox::StreamReceiver`](crate::StreamReceiver), waited for.
///
/// From within a runtime it gives one [`StreamEvent::Failed`] with [`Error::WithinRuntime`](crate::Error::WithinRuntime).
#[derive(Debug)]
pub struct StreamReceiver(pub(super) crate::StreamReceiver);

impl StreamReceiver {
    /// See [`crate::StreamReceiver::recv`].
    pub fn recv(&mut self) -> Option<StreamEvent> {
        wait(self.0.recv()).unwrap_or_else(|error| Some(StreamEvent::Failed(error)))
    }

    /// See [`crate::StreamReceiver::kill`].
    pub fn kill(&self) {
        self.0.kill();
    }
}

impl Iterator for StreamReceiver {
    type Item = StreamEvent;

    fn next(&mut self) -> Option<StreamEvent> {
        self.recv()
    }
}

/// A process in the background: [`mimobox::Process`](crate::Process), waited for.
#[derive(Debug)]
pub struct Process(pub(super) crate::Process);

/// Each fails as its namesake does, and with `WithinRuntime`.
impl Process {
    /// See [`crate::Process::id`].
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// See [`crate::Process::take_stdin`].
    pub fn take_stdin(&mut self) -> Option<Blocking<ProcessInput>> {
        self.0.take_stdin().map(Blocking)
    }

    /// See [`crate::Process::take_stdout`].
    pub fn take_stdout(&mut self) -> Option<Blocking<ProcessOutput>> {
        self.0.take_stdout().map(Blocking)
    }

    /// See [`crate::Process::take_stderr`].
    pub fn take_stderr(&mut self) -> Option<Blocking<ProcessOutput>> {
        self.0.take_stderr().map(Blocking)
    }

    /// See [`crate::Process::wait`].
    ///
    /// # Errors
    /// See there.
    pub fn wait(&self) -> Result<ExitStatus> {
        wait(self.0.wait())?
    }

    /// See [`crate::Process::has_ended`].
    pub fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    /// See [`crate::Process::signal`].
    ///
    /// # Errors
    /// See there.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        wait(self.0.signal(signal))?
    }

    /// See [`crate::Process::kill`].
    pub fn kill(&self) {
        self.0.kill();
    }

    /// See [`crate::Process::detach`].
    pub fn detach(self) -> u32 {
        self.0.detach()
    }
}
