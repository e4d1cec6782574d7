//! A snapshot that is being written.
//!
//! ```text
//!   poll_write ─► buffer of one chunk ─ full, or flushed ─► blocking pool: hash, write ─► buffer
//! ```
//!
//! One chunk is under way at a time, so whoever writes faster than the disk waits.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use mimobox_sandbox::{Draft, Error, Record, Result, Stored};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::{FormatError, StoreError, in_stream};
use crate::folder::{self, Lock};
use crate::header::{Digest, Header, START};
use crate::record;
use crate::staging::StagedFile;
use crate::store::{Charge, Shared, blocking};
use crate::stored::FolderSnapshot;

/// Large enough that a hand-over costs nothing beside it.
pub(crate) const CHUNK: usize = 256 * 1024;

/// A draft in the store's folder. Dropped, it is gone.
pub(crate) struct FolderDraft {
    shared: Arc<Shared>,
    record: Record,
    /// Its bytes in the file, and their digest.
    written_record: (u64, Digest),
    staged: StagedFile,
    charge: Charge,
    work: Work,
}

/// Who has the sink.
enum Work {
    Idle(Sink),
    Busy(JoinHandle<Result<Sink, StoreError>>),
    /// An earlier write failed.
    Broken,
}

/// Where the state goes.
struct Sink {
    file: Arc<File>,
    start: u64,
    /// Bytes of the state that are in the file.
    length: u64,
    hasher: Sha256,
    buffer: Vec<u8>,
}

impl FolderDraft {
    /// Makes a draft of which `expected` bytes of state are known to come.
    pub(crate) async fn begin(
        shared: Arc<Shared>,
        record: Record,
        expected: u64,
    ) -> Result<Self, StoreError> {
        blocking(move || {
            let (bytes, digest) = record::encode(&record)?;
            let length = bytes.len() as u64;
            let start = START.saturating_add(length);
            let (_, kept) = folder::usage(&shared.folder)?;
            let mut charge = Charge::new(shared.clone(), kept);
            charge.admits(start.saturating_add(expected))?;
            charge.add(start)?;
            let staged = StagedFile::make(&shared.folder)?;
            staged.file().write_all_at(&bytes, START).map_err(StoreError::Write)?;
            let sink = Sink {
                file: staged.file().clone(),
                start,
                length: 0,
                hasher: Sha256::new(),
                buffer: Vec::new(),
            };
            let work = Work::Idle(sink);
            Ok(Self { shared, record, written_record: (length, digest), staged, charge, work })
        })
        .await
    }

    /// Keeps it, if its state is what `announced` says. Without announcement, whatever it is.
    pub(crate) async fn keep_as(mut self, announced: Option<Digest>) -> Result<FolderSnapshot, StoreError> {
        let state = self.finish().await?;
        if announced.is_some_and(|announced| announced != state.1) {
            return Err(FormatError::Damaged("state").into());
        }
        blocking(move || {
            let Self { shared, record, written_record, staged, charge, .. } = self;
            let header = write_header(&staged, &record, written_record, state)?;
            staged.file().sync_all().map_err(StoreError::Sync)?;
            let id = folder::draw_id()?;
            let name = folder::file_name(&id).ok_or(StoreError::NotFound)?;
            let _lock = Lock::take(&shared.folder)?;
            let (snapshots, kept) = folder::usage(&shared.folder)?;
            if snapshots >= shared.limits.snapshots {
                return Err(StoreError::Limit("snapshots"));
            }
            shared.has_room(kept, header.size(), header.size())?;
            let file = staged.publish(&shared.folder, &name)?;
            if let Err(error) = folder::sync(&shared.folder) {
                // Whether it outlives a crash is unknown, so the caller is told that it is not kept: nor may it be.
                folder::delete(&shared.folder, &id)?;
                return Err(error);
            }
            drop(charge);
            shared.verified.add(&file)?;
            Ok(FolderSnapshot::kept(shared, id, record, header, file))
        })
        .await
    }

    async fn hold_on(mut self) -> Result<FolderSnapshot, StoreError> {
        let state = self.finish().await?;
        blocking(move || {
            let Self { shared, record, written_record, staged, charge, .. } = self;
            let header = write_header(&staged, &record, written_record, state)?;
            Ok(FolderSnapshot::held(shared, folder::draw_id()?, record, header, staged.unname(), charge))
        })
        .await
    }

    /// Waits until all of the state is in the file. Gives its length and digest.
    async fn finish(&mut self) -> Result<(u64, Digest), StoreError> {
        self.flush().await.map_err(|error| Error::from_io(&error))?;
        match std::mem::replace(&mut self.work, Work::Broken) {
            Work::Idle(sink) => Ok((sink.length, sink.hasher.finalize().into())),
            Work::Busy(_) | Work::Broken => Err(StoreError::Broken),
        }
    }
}

fn write_header(
    staged: &StagedFile,
    record: &Record,
    written_record: (u64, Digest),
    state: (u64, Digest),
) -> Result<Header, StoreError> {
    let header = Header::new(record.isolation, written_record, state)?;
    staged.file().write_all_at(&header.encode(), 0).map_err(StoreError::Write)?;
    Ok(header)
}

#[async_trait]
impl Draft for FolderDraft {
    async fn keep(self: Box<Self>) -> Result<Arc<dyn Stored>> {
        Ok(Arc::new(self.keep_as(None).await?))
    }

    async fn hold(self: Box<Self>) -> Result<Arc<dyn Stored>> {
        Ok(Arc::new(self.hold_on().await?))
    }
}

impl AsyncWrite for FolderDraft {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sink = ready!(this.work.poll_idle(cx))?;
        let (fitting, _) = bytes.split_at(bytes.len().min(CHUNK.saturating_sub(sink.buffer.len())));
        this.charge.add(fitting.len() as u64).map_err(in_stream)?;
        sink.buffer.extend_from_slice(fitting);
        if sink.buffer.len() >= CHUNK {
            this.work.start();
        }
        Poll::Ready(Ok(fitting.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let work = &mut self.get_mut().work;
        while !ready!(work.poll_idle(cx))?.buffer.is_empty() {
            work.start();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl Work {
    /// Waits for what is under way. What it failed with is said once.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Sink>> {
        if let Self::Busy(task) = self {
            let done = ready!(Pin::new(task).poll(cx)).map_err(StoreError::Task).flatten();
            *self = Self::Broken;
            *self = Self::Idle(done.map_err(in_stream)?);
        }
        match self {
            Self::Idle(sink) => Poll::Ready(Ok(sink)),
            Self::Busy(_) | Self::Broken => Poll::Ready(Err(in_stream(StoreError::Broken))),
        }
    }

    /// Sends the buffer on its way.
    fn start(&mut self) {
        *self = match std::mem::replace(self, Self::Broken) {
            Self::Idle(sink) => Self::Busy(spawn_blocking(move || sink.write())),
            other => other,
        };
    }
}

impl Sink {
    fn write(mut self) -> Result<Self, StoreError> {
        self.file
            .write_all_at(&self.buffer, self.start.saturating_add(self.length))
            .map_err(StoreError::Write)?;
        self.hasher.update(&self.buffer);
        self.length = self.length.saturating_add(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(self)
    }
}
