//! Reading a part of a file as a stream, by position: any number of readers share one descriptor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::draft::CHUNK;
use crate::error::{FormatError, StoreError, in_stream};
use crate::header::Section;

/// A part of a file. One chunk is read at a time, and the next when it has been taken.
pub(crate) struct PartReader {
    part: Part,
    /// The chunk that is being taken, and how far.
    chunk: Vec<u8>,
    taken: usize,
    underway: Option<JoinHandle<NextChunk>>,
}

/// What is left after a chunk, and the chunk.
type NextChunk = Result<(Part, Vec<u8>), StoreError>;

/// What is still to be read.
#[derive(Clone)]
struct Part {
    file: Arc<File>,
    at: u64,
    length: u64,
}

impl PartReader {
    pub(crate) fn new(file: Arc<File>, at: u64, length: u64) -> Self {
        Self { part: Part { file, at, length }, chunk: Vec::new(), taken: 0, underway: None }
    }
}

impl AsyncRead for PartReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let rest = this.chunk.get(this.taken..).unwrap_or_default();
            if !rest.is_empty() {
                let (given, _) = rest.split_at(rest.len().min(to.remaining()));
                to.put_slice(given);
                this.taken += given.len();
                return Poll::Ready(Ok(()));
            }
            if this.underway.is_none() && this.part.length == 0 {
                return Poll::Ready(Ok(()));
            }
            let (part, chunk) = (&this.part, &mut this.chunk);
            let task = this.underway.get_or_insert_with(|| {
                let (part, chunk) = (part.clone(), std::mem::take(chunk));
                spawn_blocking(move || part.next(chunk))
            });
            let done = ready!(Pin::new(task).poll(cx)).map_err(StoreError::Task).flatten();
            this.underway = None;
            (this.part, this.chunk) = done.map_err(in_stream)?;
            this.taken = 0;
        }
    }
}

impl Part {
    /// Reads the next chunk into `buffer`, whole.
    fn next(mut self, mut buffer: Vec<u8>) -> NextChunk {
        buffer.resize(usize::try_from(self.length).unwrap_or(CHUNK).min(CHUNK), 0);
        read_exact(&self.file, &mut buffer, self.at)?;
        let read = buffer.len() as u64;
        self.at = self.at.saturating_add(read);
        self.length = self.length.saturating_sub(read);
        Ok((self, buffer))
    }
}

/// Whether a section is what its header says. Blocks for as long as all of it takes to hash.
pub(crate) fn verify(file: &Arc<File>, section: &Section) -> Result<(), StoreError> {
    let mut part = Part { file: file.clone(), at: section.offset, length: section.length };
    let (mut hasher, mut buffer) = (Sha256::new(), Vec::new());
    while part.length > 0 {
        (part, buffer) = part.next(buffer)?;
        hasher.update(&buffer);
    }
    if hasher.finalize().as_slice() != section.digest {
        return Err(FormatError::Damaged(section.kind.name()).into());
    }
    Ok(())
}

/// Fills `buffer` from the file.
pub(crate) fn read_exact(file: &File, buffer: &mut [u8], at: u64) -> Result<(), StoreError> {
    file.read_exact_at(buffer, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => FormatError::Truncated.into(),
        _ => StoreError::Read(error),
    })
}
