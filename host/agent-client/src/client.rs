//! The client: what the rest of the host asks of an agent.

use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use mimobox_protocol::{
    Command, ExitStatus, FileOperation, FilePipe, Hello, MachineUsage, Request, SetUp, SetUpAnswer,
    SetUpFailure, Signal, SpawnFailure, Stdin, TerminalSize,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use crate::connection::{self, Closing, Connection, Inbox, SendError};
use crate::files::{FileEnd, FileTask};
use crate::pipe::{Pipes, input, output};
use crate::process::{Ended, Opened, Spawned};
use crate::requests::{Orphan, Waiting};
use crate::{ClientError, ConnectError, Disconnect, SignalError, SpawnError, UsageError};

/// How a [`Client`] behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long the agent may take over its hello and over each answer. Ten seconds unless set: the agent answers
    /// in microseconds, so this only tells a stuck sandbox from a loaded machine.
    pub answer_timeout: Duration,
    /// How the bytes of standard streams and files go. Passed unless set.
    pub streams: Streams,
}

impl Default for Options {
    fn default() -> Self {
        Self { answer_timeout: Duration::from_secs(10), streams: Streams::Passed }
    }
}

/// How the bytes of standard streams and files go between host and sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Through pipes whose other ends the sandbox's processes hold themselves.
    Passed,
    /// Through pipes whose other ends somebody pumps to and from a machine of its own: what was written before a command's end
    /// may come after the word of it. Whoever pumps closes a command's streams once it has ended.
    Relayed,
}

/// A connection to one agent. Clones share it; it closes, and the sandbox's processes end, with the last.
#[derive(Clone)]
pub struct Client {
    connection: Arc<Closing>,
    options: Options,
}

impl Client {
    /// Greets the agent on the other end of `stream` and checks its version. Must be called within a tokio
    /// runtime with I/O and time enabled; one task of that runtime serves the connection until it closes.
    ///
    /// # Errors
    /// If the agent does not answer in time, or is not the one this host was built with.
    pub async fn connect(stream: UnixStream, options: Options) -> Result<Self, ConnectError> {
        let client = Self::new(stream, options)?;
        let mut inbox = Inbox::new();
        client.in_time(client.greet(&mut inbox)).await?;
        Ok(client.serve(inbox))
    }

    /// Tells a machine what it is to be, then greets its agent. Otherwise as [`Client::connect`]; each of the two answers may
    /// take [`Options::answer_timeout`].
    ///
    /// # Errors
    /// As for [`Client::connect`], and if the machine cannot be set up like that.
    pub async fn connect_machine(
        stream: UnixStream,
        set_up: &SetUp,
        options: Options,
    ) -> Result<Self, ConnectError> {
        let client = Self::new(stream, options)?;
        let mut inbox = Inbox::new();
        client.in_time(client.set_up(set_up, &mut inbox)).await?;
        client.in_time(client.greet(&mut inbox)).await?;
        Ok(client.serve(inbox))
    }

    fn new(stream: UnixStream, options: Options) -> Result<Self, ConnectError> {
        let connection = Arc::new(Connection::new(stream).map_err(ConnectError::Socket)?);
        Ok(Self { connection: Arc::new(Closing(connection)), options })
    }

    async fn in_time(
        &self,
        step: impl Future<Output = Result<(), ConnectError>>,
    ) -> Result<(), ConnectError> {
        timeout(self.options.answer_timeout, step).await.unwrap_or(Err(ConnectError::TimedOut))
    }

    async fn set_up(&self, set_up: &SetUp, inbox: &mut Inbox) -> Result<(), ConnectError> {
        match self.connection().send(set_up, Vec::new()) {
            Ok(()) | Err(SendError::Gone) => {}
            Err(SendError::TooLong) => return Err(SetUpFailure::Invalid.into()),
        }
        match self.connection().receive(inbox).await.map_err(ConnectError::Disconnected)? {
            SetUpAnswer::Done => Ok(()),
            SetUpAnswer::Failed(failure) => Err(failure.into()),
        }
    }

    async fn greet(&self, inbox: &mut Inbox) -> Result<(), ConnectError> {
        let connection = self.connection();
        // The socket is fresh and takes this at once; if it is closed, receiving says so.
        let _ = connection.send(&Hello::OURS, Vec::new());
        let theirs: Hello = connection.receive(inbox).await.map_err(ConnectError::Disconnected)?;
        Ok(theirs.check()?)
    }

    /// Starts the task that serves the connection.
    fn serve(self, inbox: Inbox) -> Self {
        tokio::spawn(connection::serve(Closing(Arc::clone(&self.connection.0)), inbox));
        self
    }

    /// Starts a command. Returns once its program was executed.
    ///
    /// Dropping the future before that kills what it started; dropping the [`Spawned`] does not.
    ///
    /// # Errors
    /// If the agent refuses, the host lacks descriptors, or the agent cannot be talked to.
    pub async fn spawn(&self, command: Command, stdin: Stdin) -> Result<Spawned, SpawnError> {
        let spawned = timeout(self.options.answer_timeout, self.spawn_and_wait(command, stdin)).await;
        spawned.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    async fn spawn_and_wait(&self, command: Command, stdin: Stdin) -> Result<Spawned, SpawnError> {
        let permit = self.permit().await?;
        let (settle, end) = oneshot::channel();
        let ended = Ended::new(end);
        let Pipes { host, sandbox } =
            Pipes::new(stdin, self.options.streams, &ended).map_err(SpawnError::Pipe)?;
        let request = |id| Request::Spawn { id, command, stdin };
        let id = self.start(permit, request, sandbox, settle).await?;
        Ok(Spawned { id, stdin: host.stdin, stdout: host.stdout, stderr: host.stderr, ended })
    }

    /// Starts a command on a terminal of its own. Otherwise as [`Client::spawn`].
    ///
    /// # Errors
    /// As for [`Client::spawn`].
    pub async fn open_terminal(&self, command: Command, size: TerminalSize) -> Result<Opened, SpawnError> {
        let opened = timeout(self.options.answer_timeout, self.open_and_wait(command, size)).await;
        opened.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    async fn open_and_wait(&self, command: Command, size: TerminalSize) -> Result<Opened, SpawnError> {
        let permit = self.permit().await?;
        let (settle, end) = oneshot::channel();
        let ended = Ended::new(end);
        let (input, theirs_in) = input(self.options.streams, &ended).map_err(SpawnError::Pipe)?;
        let (output, theirs_out) = output(self.options.streams, &ended).map_err(SpawnError::Pipe)?;
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
        let begun = timeout(self.options.answer_timeout, self.begin_and_wait(pipe, request)).await;
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
                let (input, read) = input(self.options.streams, &ended).map_err(SpawnError::Pipe)?;
                (FileEnd::Input(input), Some(read))
            }
            FilePipe::FromAgent => {
                let (output, write) = output(self.options.streams, &ended).map_err(SpawnError::Pipe)?;
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
            timeout(self.options.answer_timeout, self.ask(|id| Request::Signal { id, process, signal }))
                .await;
        signalled.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    /// Changes the size of a terminal.
    ///
    /// # Errors
    /// As for [`Client::signal`].
    pub async fn resize(&self, process: u32, size: TerminalSize) -> Result<(), SignalError> {
        let resized =
            timeout(self.options.answer_timeout, self.ask(|id| Request::Resize { id, process, size })).await;
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

    /// What the machine uses, as its own kernel counts. That kernel is hostile: take it as what the guest says of itself.
    ///
    /// # Errors
    /// If the sandbox is no machine, or the agent cannot be talked to.
    pub async fn usage(&self) -> Result<MachineUsage, UsageError> {
        let used = timeout(self.options.answer_timeout, self.measure()).await;
        used.unwrap_or(Err(ClientError::Unresponsive.into()))
    }

    async fn measure(&self) -> Result<MachineUsage, UsageError> {
        let permit = self.permit().await?;
        let (reply, answer) = oneshot::channel();
        let id = self.connection().requests.add(Waiting::Measuring { reply, _permit: permit })?;
        // Its length is fixed, so that only the connection can fail.
        self.connection().send(&Request::Usage { id }, Vec::new()).map_err(|_| ClientError::Gone)?;
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
