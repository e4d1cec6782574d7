//! A connection to one agent.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use mimobox_protocol::{Command, Signal, Stdin};

use crate::{ConnectError, Disconnect, SignalError, SpawnError, Spawned};

/// How a [`Client`] behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long the agent may take over its hello and over each answer. Ten seconds unless set: the agent answers
    /// in microseconds, so this only tells a stuck sandbox from a loaded machine.
    pub answer_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { answer_timeout: Duration::from_secs(10) }
    }
}

/// A connection to one agent. Clones share it; it closes, and the sandbox's processes end, with the last.
#[derive(Clone, Debug)]
pub struct Client;

impl Client {
    /// Greets the agent on the other end of `stream` and checks its version. Must be called within a tokio
    /// runtime with I/O and time enabled; one task of that runtime serves the connection until it closes.
    ///
    /// # Errors
    /// If the agent does not answer in time, or is not the one this host was built with.
    pub async fn connect(stream: UnixStream, options: Options) -> Result<Self, ConnectError> {
        todo!()
    }

    /// Starts a command. Returns once its program was executed.
    ///
    /// Dropping the future before that kills what it started; dropping the [`Spawned`] does not.
    ///
    /// # Errors
    /// If the agent refuses, the host lacks descriptors, or the agent cannot be talked to.
    pub async fn spawn(&self, command: Command, stdin: Stdin) -> Result<Spawned, SpawnError> {
        todo!()
    }

    /// Sends a signal to all of a process's group.
    ///
    /// # Errors
    /// If the process has ended, or the agent cannot be talked to.
    pub async fn signal(&self, process: u32, signal: Signal) -> Result<(), SignalError> {
        todo!()
    }

    /// Kills all of a process's group. Its [`Ended`](crate::Ended) follows.
    ///
    /// # Errors
    /// As for [`Client::signal`].
    pub async fn kill(&self, process: u32) -> Result<(), SignalError> {
        self.signal(process, Signal::Kill).await
    }

    /// Closes the connection: the agent exits, and the kernel ends every process of its sandbox.
    pub fn close(&self) {
        todo!()
    }

    /// Waits until the connection is closed, by whichever end, and says why.
    pub async fn closed(&self) -> Disconnect {
        todo!()
    }
}
