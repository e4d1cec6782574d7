//! Operations on files: what is under way in the sandbox, and answers that come over its pipe.
//!
//! Bytes of files pass as they are. Entries and changes are frames; whoever breaks out of a command may write them in the
//! agent's place, so that they are as hostile as everything else.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::pin::Pin;

use futures_util::future::poll_fn;
use mimobox_protocol::{Decoder, FileEntry, FileOperation, WatchMessage, outcome};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead as _, ReadBuf};

use crate::{Client, Ended, FileError, Input, Output};

/// Most bytes of entries that one directory may have: some hundred thousand files.
const MAX_LISTING: usize = 32 * 1024 * 1024;
/// Most bytes of answers taken from a pipe at once.
const CHUNK: usize = 64 * 1024;

/// An operation that was begun. Dropping this leaves it going on.
#[derive(Debug)]
pub struct FileTask {
    /// The number by which [`Client::signal`] knows it.
    pub id: u32,
    /// The host's end of its pipe.
    pub pipe: FileEnd,
    /// Its end. Its status says what came of it: [`FileTask::outcome`].
    pub ended: Ended,
}

/// The host's end of an operation's pipe.
#[derive(Debug)]
pub enum FileEnd {
    /// There is none.
    None,
    /// For bytes to write.
    Input(Input),
    /// For bytes to read.
    Output(Output),
}

/// Changes as they come.
#[derive(Debug)]
pub struct Watch {
    /// The number by which [`Client::signal`] knows it.
    pub id: u32,
    /// Its end.
    pub ended: Ended,
    messages: Messages<WatchMessage>,
}

impl FileTask {
    /// What came of an operation, once it has ended.
    ///
    /// # Errors
    /// `Failed`, `Client`.
    pub async fn outcome(ended: Ended) -> Result<(), FileError> {
        Ok(outcome(ended.await?)?)
    }
}

impl Client {
    /// Does an operation that has no pipe.
    ///
    /// # Errors
    /// Each variant of [`FileError`].
    pub async fn do_file(&self, operation: FileOperation) -> Result<(), FileError> {
        let task = self.begin_file(operation).await?;
        let guard = StopOnDrop { client: self, id: Some(task.id) };
        let done = FileTask::outcome(task.ended).await;
        guard.disarm();
        done
    }

    /// Looks at one file.
    ///
    /// # Errors
    /// Each variant of [`FileError`].
    pub async fn file_entry(&self, path: String) -> Result<FileEntry, FileError> {
        let mut entries = self.entries(FileOperation::Stat { path }).await?;
        match (entries.pop(), entries.pop()) {
            (Some(entry), None) => Ok(entry),
            _ => Err(FileError::CutShort),
        }
    }

    /// Lists a directory.
    ///
    /// # Errors
    /// Each variant of [`FileError`].
    pub async fn read_directory(&self, path: String) -> Result<Vec<FileEntry>, FileError> {
        self.entries(FileOperation::ReadDirectory { path }).await
    }

    async fn entries(&self, operation: FileOperation) -> Result<Vec<FileEntry>, FileError> {
        let task = self.begin_file(operation).await?;
        let guard = StopOnDrop { client: self, id: Some(task.id) };
        let FileEnd::Output(output) = task.pipe else { return Err(FileError::CutShort) };
        let mut messages = Messages::<FileEntry>::new(output);
        let mut entries = Vec::new();
        while let Some(entry) = messages.next().await? {
            if messages.read > MAX_LISTING {
                return Err(FileError::TooLong(MAX_LISTING));
            }
            entries.push(entry);
        }
        let whole = messages.decoder.is_between_frames();
        FileTask::outcome(task.ended).await?;
        guard.disarm();
        if whole { Ok(entries) } else { Err(FileError::CutShort) }
    }

    /// Watches a file or directory: every change from the answer on is seen.
    ///
    /// # Errors
    /// Each variant of [`FileError`].
    pub async fn watch(&self, path: String, recursive: bool) -> Result<Watch, FileError> {
        let task = self.begin_file(FileOperation::Watch { path, recursive }).await?;
        let guard = StopOnDrop { client: self, id: Some(task.id) };
        let FileEnd::Output(output) = task.pipe else { return Err(FileError::CutShort) };
        let mut watch = Watch { id: task.id, ended: task.ended, messages: Messages::new(output) };
        match watch.messages.next().await? {
            Some(WatchMessage::Ready) => {}
            Some(WatchMessage::Changed { .. }) => return Err(FileError::CutShort),
            None => {
                FileTask::outcome(watch.ended).await?;
                return Err(FileError::CutShort);
            }
        }
        guard.disarm();
        Ok(watch)
    }
}

impl Watch {
    /// The next message; none when the watched path is gone.
    ///
    /// # Errors
    /// Each variant of [`FileError`]: there is no next one then.
    pub async fn next(&mut self) -> Result<Option<WatchMessage>, FileError> {
        if let Some(message) = self.messages.next().await? {
            return Ok(Some(message));
        }
        FileTask::outcome(self.ended.clone()).await?;
        if self.messages.decoder.is_between_frames() { Ok(None) } else { Err(FileError::CutShort) }
    }
}

/// Messages that come over a pipe.
struct Messages<T> {
    output: Output,
    decoder: Decoder,
    chunk: Box<[u8]>,
    unread: Range<usize>,
    /// Bytes so far.
    read: usize,
    of: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Messages<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Messages").field("read", &self.read).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> Messages<T> {
    fn new(output: Output) -> Self {
        let decoder = Decoder::new();
        Self { output, decoder, chunk: vec![0; CHUNK].into(), unread: 0..0, read: 0, of: PhantomData }
    }

    /// The next message, or none at the end of the pipe. May be dropped at any point: nothing is lost.
    async fn next(&mut self) -> Result<Option<T>, FileError> {
        loop {
            let mut input = self.chunk.get(self.unread.clone()).unwrap_or_default();
            let message = self.decoder.next(&mut input).map_err(FileError::Malformed)?;
            self.unread.start = self.unread.end.saturating_sub(input.len());
            if message.is_some() {
                return Ok(message);
            }
            let Self { output, chunk, .. } = self;
            let mut buffer = ReadBuf::new(chunk);
            poll_fn(|context| Pin::new(&mut *output).poll_read(context, &mut buffer))
                .await
                .map_err(FileError::Read)?;
            let count = buffer.filled().len();
            if count == 0 {
                return Ok(None);
            }
            self.unread = 0..count;
            self.read = self.read.saturating_add(count);
        }
    }
}

/// An operation whose future is dropped must not go on.
struct StopOnDrop<'a> {
    client: &'a Client,
    id: Option<u32>,
}

impl StopOnDrop<'_> {
    fn disarm(mut self) {
        self.id = None;
    }
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.client.kill_unattended(id);
        }
    }
}
