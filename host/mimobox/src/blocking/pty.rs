//! A program on a terminal, waited for.

use bytes::Bytes;
use mimobox_sandbox::ExitStatus;

use super::wait;
use crate::error::Result;

/// A session on a terminal: [`mimobox::PtySession`](crate::PtySession), waited for.
#[derive(Debug)]
pub struct PtySession(pub(super) crate::PtySession);

/// Each fails as its namesake does, and with `WithinRuntime`.
impl PtySession {
    /// See [`crate::PtySession::id`].
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// See [`crate::PtySession::send_input`].
    ///
    /// # Errors
    /// See there.
    pub fn send_input(&mut self, bytes: &[u8]) -> Result<()> {
        wait(self.0.send_input(bytes))?
    }

    /// See [`crate::PtySession::output`].
    pub fn output(&mut self) -> Option<PtyOutput> {
        self.0.output().map(PtyOutput)
    }

    /// See [`crate::PtySession::resize`].
    ///
    /// # Errors
    /// See there.
    pub fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        wait(self.0.resize(columns, rows))?
    }

    /// See [`crate::PtySession::kill`].
    pub fn kill(&self) {
        self.0.kill();
    }

    /// See [`crate::PtySession::wait`].
    ///
    /// # Errors
    /// See there.
    pub fn wait(&self) -> Result<ExitStatus> {
        wait(self.0.wait())?
    }

    /// See [`crate::PtySession::has_ended`].
    pub fn has_ended(&self) -> bool {
        self.0.has_ended()
    }
}

/// What a terminal shows, as an iterator: [`mimobox::PtyOutput`](crate::PtyOutput), waited for.
#[derive(Debug)]
pub struct PtyOutput(crate::PtyOutput);

impl PtyOutput {
    /// See [`crate::PtyOutput::recv`].
    ///
    /// # Errors
    /// See there; `WithinRuntime`.
    pub fn recv(&mut self) -> Option<Result<Bytes>> {
        wait(self.0.recv()).unwrap_or_else(|error| Some(Err(error)))
    }
}

impl Iterator for PtyOutput {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv()
    }
}
