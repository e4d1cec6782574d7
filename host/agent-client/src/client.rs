//! The client: what the rest of the host asks of an agent.

use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use mimobox_protocol::{
    Command, ExitStatus, FileOperation, FilePipe, Hello, Request, Signal, SpawnFailure, Stdin, TerminalSize,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use crate::connection::{self, Closing, Connection, Inbox, SendError};
use crate::files::{FileEnd, FileTask};
use crate::pipe::{Pipes, input, output};
use crate::process::{Ended, Opened, Spawned};
use crate::requests::{Orphan, Waiting};
use crate::{ClientError, ConnectError, Disconnect, SignalError, SpawnError};

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
#[derive(Clone)]
pub struct Client {
    connection: Arc<Closing>,
    answer_timeout: Duration,
}

impl Client {
    /// Greets the agent on the other end of `stream` and checks its version. Must be called within a tokio
    /// runtime with I/O and time enabled; one task of that runtime serves the connection until it closes.
    ///
    /// # Errors
    /// If the agent does not answer in time, or is not the one this host was built with.
    pub async fn connect(stream: UnixStream, options: Options) -> Result<Self, ConnectError> {
        let connection = Arc::new(Connection::new(stream).map_err(ConnectError::Socket)?);
        let client =
            Self { connection: Arc::new(Closing(connection)), answer_timeout: options.answer_timeout };
        let inbox =
            timeout(options.answer_timeout, client.greet()).await.map_err(|_| ConnectError::TimedOut)??;
        tokio::spawn(connection::serve(Closing(Arc::clone(&client.connection.0)), inbox));
        Ok(client)
    }

    async fn greet(&self) -> Result<Inbox, ConnectError> {
        let connection = self.connection();
        // The socket is fresh and takes this at once; if it is closed, receiving says so.
        let _ = connection.send(&Hello::OURS, Vec::new());
        let mut inbox = Inbox::new();
        let theirs: Hello = connection.receive(&mut inbox).await.map_err(ConnectError::Disconnected)?;
        theirs.check()?;
        Ok(inbox)
    }

    /// Starts a command. Returns once its program was executed.
    ///
    /// Dropping the future before that kills what it started; dropping the [`Spawned`] does not.
    ///
    /// # Errors
    /// If the agent refuses, the host lacks descriptors, or the agent cannot be talked to.
    pub async fn spawn(&self, command: Command, stdin: Stdin) -> Result<Spawned, SpawnError> {
        let spawned = timeout(self.answer_timeout, self.spawn_and_wait(command, stdin)).await;
        spawned.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    async fn spawn_and_wait(&self, command: Command, stdin: Stdin) -> Result<Spawned, SpawnError> {
        let permit = self.permit().await?;
        let (settle, end) = oneshot::channel();
        let ended = Ended::new(end);
        let Pipes { host, sandbox } = Pipes::new(stdin, &ended).map_err(SpawnError::Pipe)?;
        let request = |id| Request::Spawn { id, command, stdin };
        let id = self.start(permit, request, sandbox, settle).await?;
        Ok(Spawned { id, stdin: host.stdin, stdout: host.stdout, stderr: host.stderr, ended })
    }

    /// Starts a command on a terminal of its own. Otherwise as [`Client::spawn`].
    ///
    /// # Errors
    /// As for [`Client::spawn`].
    pub async fn open_terminal(&self, command: Command, size: TerminalSize) -> Result<Opened, SpawnError> {
        let opened = timeout(self.answer_timeout, self.open_and_wait(command, size)).await;
        opened.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    async fn open_and_wait(&self, command: Command, size: TerminalSize) -> Result<Opened, SpawnError> {
        let permit = self.permit().await?;
        let (settle, end) = oneshot::channel();
        let ended = Ended::new(end);
        let (input, theirs_in) = input(&ended).map_err(SpawnError::Pipe)?;
        let (output, theirs_out) = output(&ended).map_err(SpawnError::Pipe)?;
        let request = |id| Request::OpenTerminal { id, command, size };
        let id = self.start(permit, request, vec![theirs_in, theirs_out], settle).await?;
        Ok(Opened { id, input, output, ended })
    }

    /// Begins an operation on files. Dropping the future before that stops it; dropping the [`FileTask`] does not.
    ///
    /// # Errors
    /// As for [`Client::spawn`].
    pub async fn begin_file(&self, operation: FileOperation) -> Result<FileTask, SpawnError> {
        self.begin(operation.pipe(), |id| Request::File { id, operation }).await
    }

    /// Begins to save what the sandbox's file system holds beyond its image, as a tar. Otherwise as [`Client::begin_file`].
    ///
    /// # Errors
    /// As for [`Client::spawn`].
    pub async fn begin_save(&self) -> Result<FileTask, SpawnError> {
        self.begin(FilePipe::FromAgent, |id| Request::Save { id }).await
    }

    /// Begins to restore what [`Client::begin_save`] gave, into a fresh sandbox. Otherwise as [`Client::begin_file`].
    ///
    /// # Errors
    /// As for [`Client::spawn`].
    pub async fn begin_restore(&self) -> Result<FileTask, SpawnError> {
        self.begin(FilePipe::ToAgent, |id| Request::Restore { id }).await
    }

    async fn begin(
        &self,
        pipe: FilePipe,
        request: impl FnOnce(u32) -> Request,
    ) -> Result<FileTask, SpawnError> {
        let begun = timeout(self.answer_timeout, self.begin_and_wait(pipe, request)).await;
        begun.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    async fn begin_and_wait(
        &self,
        pipe: FilePipe,
        request: impl FnOnce(u32) -> Request,
    ) -> Result<FileTask, SpawnError> {
        let permit = self.permit().await?;
        let (settle, end) = oneshot::channel();
        let ended = Ended::new(end);
        let (pipe, theirs) = match pipe {
            FilePipe::None => (FileEnd::None, None),
            FilePipe::ToAgent => {
                let (input, read) = input(&ended).map_err(SpawnError::Pipe)?;
                (FileEnd::Input(input), Some(read))
            }
            FilePipe::FromAgent => {
                let (output, write) = output(&ended).map_err(SpawnError::Pipe)?;
                (FileEnd::Output(output), Some(write))
            }
        };
        let id = self.start(permit, request, theirs.into_iter().collect(), settle).await?;
        Ok(FileTask { id, pipe, ended })
    }

    /// Sends a request that starts something, and waits for the answer.
    async fn start(
        &self,
        permit: OwnedSemaphorePermit,
        request: impl FnOnce(u32) -> Request,
        descriptors: Vec<OwnedFd>,
        ended: oneshot::Sender<ExitStatus>,
    ) -> Result<u32, SpawnError> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting::Spawning { reply: Some(reply), ended, _permit: permit };
        let id = self.connection().requests.add(waiting)?;
        let mut unclaimed = Unclaimed { connection: self.connection(), id: Some(id) };
        match self.connection().send(&request(id), descriptors) {
            Ok(()) => {}
            Err(SendError::TooLong) => {
                self.connection().requests.withdraw(id);
                return Err(SpawnFailure::ArgumentsTooLong.into());
            }
            Err(SendError::Gone) => return Err(ClientError::Gone.into()),
        }
        answer.await.map_err(|_| ClientError::Gone)??;
        unclaimed.id = None;
        Ok(id)
    }

    /// Sends a signal to all of a process's group.
    ///
    /// # Errors
    /// If the process has ended, or the agent cannot be talked to.
    pub async fn signal(&self, process: u32, signal: Signal) -> Result<(), SignalError> {
        let signalled =
            timeout(self.answer_timeout, self.ask(|id| Request::Signal { id, process, signal })).await;
        signalled.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    /// Changes the size of a terminal.
    ///
    /// # Errors
    /// As for [`Client::signal`].
    pub async fn resize(&self, process: u32, size: TerminalSize) -> Result<(), SignalError> {
        let resized =
            timeout(self.answer_timeout, self.ask(|id| Request::Resize { id, process, size })).await;
        resized.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    /// Sends a request about a process, of fixed length, and waits for the answer.
    async fn ask(&self, request: impl FnOnce(u32) -> Request) -> Result<(), SignalError> {
        let permit = self.permit().await?;
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting::Asking { reply: Some(reply), _permit: Some(permit) };
        let id = self.connection().requests.add(waiting)?;
        // Its length is fixed, so that only the connection can fail.
        self.connection().send(&request(id), Vec::new()).map_err(|_| ClientError::Gone)?;
        Ok(answer.await.map_err(|_| ClientError::Gone)??)
    }

    /// Kills all of a process's group. Its [`Ended`](crate::Ended) follows.
    ///
    /// # Errors
    /// As for [`Client::signal`].
    pub async fn kill(&self, process: u32) -> Result<(), SignalError> {
        self.signal(process, Signal::Kill).await
    }

    /// Kills what nobody waits for any more.
    pub(crate) fn kill_unattended(&self, process: u32) {
        self.connection().kill(Orphan(process));
    }

    /// Closes the connection: the agent exits, and the kernel ends every process of its sandbox.
    pub fn close(&self) {
        self.connection().close(Disconnect::Host);
    }

    /// Waits until the connection is closed, by whichever end, and says why.
    pub async fn closed(&self) -> Disconnect {
        self.connection().closed().await
    }

    /// Waits for a turn to ask the agent something.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, ClientError> {
        Arc::clone(&self.connection().permits).acquire_owned().await.map_err(|_| ClientError::Gone)
    }

    fn connection(&self) -> &Connection {
        &self.connection.0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}

/// A spawn whose process nobody has taken yet. Dropped like that, the process is killed.
struct Unclaimed<'a> {
    connection: &'a Connection,
    id: Option<u32>,
}

impl Drop for Unclaimed<'_> {
    fn drop(&mut self) {
        if let Some(orphan) = self.id.and_then(|id| self.connection.requests.abandon(id)) {
            self.connection.kill(orphan);
        }
    }
}
