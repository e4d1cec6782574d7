//! Running processes.

use crate::bindings::mimobox::host::stream as host;
use crate::command::ExitStatus;
use crate::error::{Error, Result};
use crate::sandbox::Sandbox;
use crate::streams::{ByteReader, ByteWriter, Items};

pub use host::{Event, ProcessInfo, Signal};

/// A command that runs. Dropping it kills the whole process group, unless it was [detached](Self::detach).
#[derive(Debug)]
pub struct Process {
    handle: host::Process,
    stdin: Option<ByteWriter>,
}

impl Process {
    pub(crate) fn new(handle: host::Process, stdin: Option<ByteWriter>) -> Self {
        Self { handle, stdin }
    }

    /// Its number in the sandbox.
    pub fn id(&self) -> u32 {
        self.handle.id()
    }

    /// Its standard input, if that was [piped](crate::Stdin::Piped) and not taken before. Drop it to end the input.
    pub fn stdin(&mut self) -> Option<ByteWriter> {
        self.stdin.take()
    }

    /// What it writes to standard output. Once a process, and not after [`events`](Self::events).
    pub fn stdout(&self) -> ByteReader {
        ByteReader::new(self.handle.stdout())
    }

    /// What it writes to standard error. Once a process, and not after [`events`](Self::events).
    pub fn stderr(&self) -> ByteReader {
        ByteReader::new(self.handle.stderr())
    }

    /// Both outputs, each in its own order, and then the end, which is always the last. Once a process, in place of the two.
    pub fn events(&self) -> Items<Event> {
        Items::new(self.handle.events())
    }

    /// Sends a signal to the whole process group.
    pub async fn signal(&self, signal: Signal) -> Result<()> {
        self.handle.signal(signal).await.map_err(Error::from)
    }

    /// Waits for its end. Its output must be read, or have been given up, for it to come to one.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.handle.wait().await.map_err(Error::from)
    }

    /// Leaves it running in the sandbox; its number is for [`Sandbox::attach`].
    pub fn detach(self) -> u32 {
        host::Process::detach(self.handle)
    }
}

impl Sandbox {
    /// The commands that run in it.
    pub async fn processes(&self) -> Result<Vec<ProcessInfo>> {
        host::processes(&self.handle).await.map_err(Error::from)
    }

    /// Takes hold of a process that was detached.
    pub async fn attach(&self, id: u32) -> Result<Process> {
        Ok(Process::new(host::attach(&self.handle, id).await?, None))
    }
}
