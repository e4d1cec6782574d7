//! The sandbox's files, through the agent's words for them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::stream;
use mimobox_agent_client::{
    Client, Ended, FileEnd, FileError, FileFailure, FileOperation, FileTask as AgentTask, Signal,
    SignalError, SignalFailure, Watch as AgentWatch, WatchMessage,
};
use mimobox_sandbox::{
    Authorized, ChangeKind, Changes, Error, FileChange, FileEntry, FileKind, FileTask, Files, Input,
    MakeDirectory, Output, ReadFile, Remove, Rename, Result, Watch, Work, WriteFile,
};
use tokio::io::AsyncWriteExt as _;

use crate::error::{not_signalled, not_spawned, refused};

/// How long an operation may take to undo what it began before it is killed.
const UNDO_GRACE: Duration = Duration::from_secs(8);

/// The files of one sandbox.
pub struct SandboxFiles {
    client: Client,
}

#[async_trait]
impl Files for SandboxFiles {
    async fn read_file(&self, grant: Authorized<ReadFile>) -> Result<FileTask<Output>> {
        let ReadFile { path, offset, length } = grant.into_inner();
        let task = self.begin(FileOperation::Read { path, offset, length }).await?;
        match task.pipe {
            FileEnd::Output(output) => Ok(self.task(Box::pin(output), task.id, task.ended)),
            FileEnd::Input(_) | FileEnd::None => Err(refused(&FileError::CutShort)),
        }
    }

    async fn write_file(&self, grant: Authorized<WriteFile>) -> Result<FileTask<Input>> {
        let WriteFile { path, mode, length, append } = grant.into_inner();
        let task = self.begin(FileOperation::Write { path, mode, length, append }).await?;
        match task.pipe {
            FileEnd::Input(input) => Ok(self.task(Box::pin(input), task.id, task.ended)),
            FileEnd::Output(_) | FileEnd::None => Err(refused(&FileError::CutShort)),
        }
    }

    async fn file_entry(&self, path: Authorized<String>) -> Result<FileEntry> {
        let entry = self.client.file_entry(path.into_inner()).await;
        entry.map(entry_of).map_err(|error| refused(&error))
    }

    async fn read_directory(&self, path: Authorized<String>) -> Result<Vec<FileEntry>> {
        let entries = self.client.read_directory(path.into_inner()).await;
        entries.map(|entries| entries.into_iter().map(entry_of).collect()).map_err(|error| refused(&error))
    }

    async fn make_directory(&self, grant: Authorized<MakeDirectory>) -> Result<()> {
        let MakeDirectory { path, parents } = grant.into_inner();
        self.done(FileOperation::MakeDirectory { path, parents }).await
    }

    async fn rename(&self, grant: Authorized<Rename>) -> Result<()> {
        let Rename { source, target } = grant.into_inner();
        self.done(FileOperation::Rename { source, target }).await
    }

    async fn remove(&self, grant: Authorized<Remove>) -> Result<()> {
        let Remove { path, recursive } = grant.into_inner();
        self.done(FileOperation::Remove { path, recursive }).await
    }

    async fn watch(&self, grant: Authorized<Watch>) -> Result<FileTask<Changes>> {
        let Watch { path, recursive } = grant.into_inner();
        let watch = self.client.watch(path, recursive).await.map_err(|error| refused(&error))?;
        let (id, ended) = (watch.id, watch.ended.clone());
        Ok(self.task(Box::pin(stream::unfold(Some(watch), next_change)), id, ended))
    }
}

impl SandboxFiles {
    /// Those that the agent behind `client` reaches.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Begins to save all that its file system holds beyond its image.
    ///
    /// # Errors
    /// As for every operation on files.
    pub async fn begin_save(&self) -> Result<FileTask<Output>> {
        let task = self.client.begin_save().await.map_err(|error| not_spawned(&error))?;
        match task.pipe {
            FileEnd::Output(output) => Ok(self.task(Box::pin(output), task.id, task.ended)),
            FileEnd::Input(_) | FileEnd::None => Err(refused(&FileError::CutShort)),
        }
    }

    /// Makes what a saved state says, before anything else is asked of the sandbox.
    ///
    /// # Errors
    /// `LimitReached`: it is more than the sandbox's disk. `InvalidArgument`: it is damaged. Those of reading `state`.
    pub async fn restore(&self, mut state: Output) -> Result<()> {
        let task = self.client.begin_restore().await.map_err(|error| not_spawned(&error))?;
        let FileEnd::Input(mut input) = task.pipe else { return Err(refused(&FileError::CutShort)) };
        match tokio::io::copy(&mut state, &mut input).await {
            Ok(_) => drop(input.shutdown().await),
            // The agent has seen enough, and says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(Error::from_io(&error)),
        }
        match AgentTask::outcome(task.ended).await {
            Err(FileError::Failed(FileFailure::DiskFull)) => Err(Error::LimitReached("disk".to_owned())),
            Err(FileError::Failed(_)) => Err(Error::invalid("snapshot", "its state is damaged")),
            outcome => outcome.map_err(|error| refused(&error)),
        }
    }

    async fn begin(&self, operation: FileOperation) -> Result<AgentTask> {
        let begun = self.client.begin_file(operation).await;
        begun.map_err(|error| refused(&FileError::NotBegun(error)))
    }

    async fn done(&self, operation: FileOperation) -> Result<()> {
        self.client.do_file(operation).await.map_err(|error| refused(&error))
    }

    fn task<S>(&self, stream: S, id: u32, ended: Ended) -> FileTask<S> {
        FileTask { stream, work: Arc::new(AgentWork { id, ended, client: self.client.clone() }) }
    }
}

/// The hand on one operation.
struct AgentWork {
    id: u32,
    ended: Ended,
    client: Client,
}

#[async_trait]
impl Work for AgentWork {
    async fn ended(&self) -> Result<()> {
        AgentTask::outcome(self.ended.clone()).await.map_err(|error| refused(&error))
    }

    async fn stop(&self) -> Result<()> {
        self.signal(Signal::Terminate).await?;
        if tokio::time::timeout(UNDO_GRACE, self.ended.clone()).await.is_err() {
            self.signal(Signal::Kill).await?;
        }
        Ok(())
    }
}

impl AgentWork {
    async fn signal(&self, signal: Signal) -> Result<()> {
        match self.client.signal(self.id, signal).await {
            // It ended in the same moment.
            Ok(()) | Err(SignalError::Refused(SignalFailure::NotFound)) => Ok(()),
            Err(error) => Err(not_signalled(&error)),
        }
    }
}

/// One step of a stream of changes. After an error there is nothing more.
async fn next_change(watch: Option<AgentWatch>) -> Option<(Result<FileChange>, Option<AgentWatch>)> {
    let mut watch = watch?;
    loop {
        return match watch.next().await {
            // Said once, and taken before there was a stream.
            Ok(Some(WatchMessage::Ready)) => continue,
            Ok(Some(WatchMessage::Changed { path, kind })) => {
                let change = FileChange { path, kind: kind_of_change(kind) };
                Some((Ok(change), Some(watch)))
            }
            Ok(None) => None,
            Err(error) => Some((Err(refused(&error)), None)),
        };
    }
}

fn entry_of(entry: mimobox_agent_client::FileEntry) -> FileEntry {
    let since = Duration::from_secs(entry.modified_seconds)
        .saturating_add(Duration::from_nanos(u64::from(entry.modified_nanoseconds)));
    FileEntry {
        name: entry.name,
        kind: match entry.kind {
            mimobox_agent_client::FileKind::File => FileKind::File,
            mimobox_agent_client::FileKind::Directory => FileKind::Directory,
            mimobox_agent_client::FileKind::SymbolicLink => FileKind::SymbolicLink,
            mimobox_agent_client::FileKind::Other => FileKind::Other,
        },
        size: entry.size,
        mode: entry.mode,
        // What no clock can show was made up.
        modified: SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

fn kind_of_change(kind: mimobox_agent_client::ChangeKind) -> ChangeKind {
    match kind {
        mimobox_agent_client::ChangeKind::Created => ChangeKind::Created,
        mimobox_agent_client::ChangeKind::Modified => ChangeKind::Modified,
        mimobox_agent_client::ChangeKind::Removed => ChangeKind::Removed,
        mimobox_agent_client::ChangeKind::Renamed => ChangeKind::Renamed,
    }
}
