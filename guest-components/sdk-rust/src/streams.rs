//! Streams of bytes and of items, each with the word on how it ended.

use std::collections::VecDeque;

use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

use crate::bindings::mimobox::host::types;
use crate::error::{Error, Result};

/// Read at most so much at once.
const CHUNK: usize = 64 * 1024;
/// A line longer than this is handed out in pieces: who writes it need not be trusted.
const LONGEST_LINE: usize = 64 * 1024;

type End = FutureReader<Result<(), types::Error>>;

/// Bytes that come from the host: a process's output, a file, a response.
///
/// Reading slowly slows the writer; nothing is dropped. Dropping the reader tells the writer that nobody listens.
#[derive(Debug)]
pub struct ByteReader {
    stream: StreamReader<u8>,
    end: Option<End>,
    ended: bool,
}

impl ByteReader {
    pub(crate) fn new((stream, end): (StreamReader<u8>, End)) -> Self {
        Self { stream, end: Some(end), ended: false }
    }

    /// The next bytes, as many as are there; none at the end.
    ///
    /// # Errors
    /// Why the stream ended early. What came before is good.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while !self.ended {
            let (result, bytes) = self.stream.read(Vec::with_capacity(CHUNK)).await;
            self.ended = result == StreamResult::Dropped;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        match self.end.take() {
            Some(end) => end.await.map(|()| None).map_err(Error::from),
            None => Ok(None),
        }
    }

    /// All that is left. The writer decides how much that is: for a program that you do not trust, prefer
    /// [`collect_at_most`](Self::collect_at_most).
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(self) -> Result<Vec<u8>> {
        self.collect_at_most(usize::MAX).await
    }

    /// The first `limit` bytes; the rest is thrown away, not left unread, so that the writer can go on to its end.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect_at_most(mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            let room = limit.saturating_sub(all.len()).min(bytes.len());
            all.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
        Ok(all)
    }

    /// All that is left, if it is no more than `limit` bytes.
    ///
    /// # Errors
    /// [`Error::LimitReached`]: there is more. Otherwise as [`next`](Self::next).
    pub async fn to_vec(mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            if bytes.len() > limit.saturating_sub(all.len()) {
                return Err(Error::LimitReached(format!("more than {limit} bytes")));
            }
            all.extend(bytes);
        }
        Ok(all)
    }

    /// Line by line.
    pub fn lines(self) -> Lines {
        Lines { reader: self, buffer: VecDeque::new() }
    }

    pub(crate) fn into_stream(self) -> StreamReader<u8> {
        self.stream
    }
}

/// The lines of a [`ByteReader`], without their ends. What is not UTF-8 is replaced.
#[derive(Debug)]
pub struct Lines {
    reader: ByteReader,
    buffer: VecDeque<u8>,
}

impl Lines {
    /// The next line; none at the end. A line of more than 64 KiB comes in pieces.
    ///
    /// # Errors
    /// As [`ByteReader::next`].
    pub async fn next(&mut self) -> Result<Option<String>> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer.iter().skip(searched).position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                return Ok(Some(text(line.strip_suffix(b"\r").unwrap_or(line))));
            }
            searched = self.buffer.len();
            if searched >= LONGEST_LINE {
                break;
            }
            match self.reader.next().await? {
                Some(bytes) => self.buffer.extend(bytes),
                None => break,
            }
        }
        let rest: Vec<u8> = self.buffer.drain(..).collect();
        Ok((!rest.is_empty()).then(|| text(&rest)))
    }
}

/// Bytes that go to the host: a process's standard input, a terminal's keys, a request's body. Dropping it ends them. For a
/// file there is [`FileWriter`](crate::files::FileWriter), which does not take every end for the end of the file.
#[derive(Debug)]
pub struct ByteWriter {
    stream: StreamWriter<u8>,
}

impl ByteWriter {
    /// A writer and what the host reads from.
    pub(crate) fn pair() -> (Self, StreamReader<u8>) {
        let (stream, reader) = crate::bindings::wit_stream::new();
        (Self { stream }, reader)
    }

    /// Writes all of it; waits while the reader is slow.
    ///
    /// # Errors
    /// [`Error::Gone`] if the reader closed its end.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let unsent = self.stream.write_all(bytes.into()).await;
        if unsent.is_empty() { Ok(()) } else { Err(Error::Gone) }
    }
}

/// Whole values that come from the host one after another: events, changes.
#[derive(Debug)]
pub struct Items<T: 'static> {
    stream: StreamReader<T>,
    end: Option<End>,
}

impl<T: 'static> Items<T> {
    pub(crate) fn new((stream, end): (StreamReader<T>, End)) -> Self {
        Self { stream, end: Some(end) }
    }

    /// The next one; none at the end.
    ///
    /// # Errors
    /// Why they ended early.
    pub async fn next(&mut self) -> Result<Option<T>> {
        if self.end.is_some()
            && let Some(item) = self.stream.next().await
        {
            return Ok(Some(item));
        }
        match self.end.take() {
            Some(end) => end.await.map(|()| None).map_err(Error::from),
            None => Ok(None),
        }
    }
}

/// Text for people: what is not UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
