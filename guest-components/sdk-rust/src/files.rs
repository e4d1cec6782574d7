//! A sandbox's files. Paths are absolute and are resolved inside the sandbox.

use std::time::SystemTime;

use crate::bindings::mimobox::host::files as host;
use crate::clock;
use crate::error::{Error, Result};
use crate::sandbox::Sandbox;
use crate::streams::{ByteReader, ByteWriter, Items};

pub use host::{Change, ChangeKind, Kind};

/// The files of one sandbox, from [`Sandbox::files`].
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    sandbox: &'a Sandbox,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without its folder.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// When its content last changed.
    pub modified: SystemTime,
}

/// How to write a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Permission bits of a new file.
    pub mode: u32,
    /// Bytes to expect: if fewer come, the old file stays as it was.
    pub length: Option<u64>,
    /// Add to the end, rather than replace the whole.
    pub append: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { mode: 0o644, length: None, append: false }
    }
}

impl Sandbox {
    /// Its files.
    pub fn files(&self) -> Files<'_> {
        Files { sandbox: self }
    }
}

impl Files<'_> {
    /// The file's bytes.
    pub fn read(&self, path: &str) -> ByteReader {
        self.read_range(path, 0, None)
    }

    /// The file's bytes from `offset` on, at most `length` of them.
    pub fn read_range(&self, path: &str, offset: u64, length: Option<u64>) -> ByteReader {
        ByteReader::new(host::read(&self.sandbox.handle, path, offset, length))
    }

    /// Replaces the file by these bytes, whole or not at all.
    pub async fn write(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let bytes = bytes.into();
        let options = WriteOptions { length: Some(bytes.len() as u64), ..WriteOptions::default() };
        let (mut writer, data) = ByteWriter::pair();
        let written = host::write(&self.sandbox.handle, path, options.into(), data);
        let sent = async move { writer.write(bytes).await };
        // The host knows best why it stopped reading.
        let (written, sent) = futures::future::join(async { written.await }, sent).await;
        written?;
        sent
    }

    /// Writes what a stream gives.
    pub async fn write_from(&self, path: &str, options: WriteOptions, data: ByteReader) -> Result<()> {
        host::write(&self.sandbox.handle, path, options.into(), data.into_stream()).await.map_err(Error::from)
    }

    /// What is known of the file.
    pub async fn stat(&self, path: &str) -> Result<Entry> {
        Ok(host::stat(&self.sandbox.handle, path).await?.into())
    }

    /// What the directory holds.
    pub async fn read_directory(&self, path: &str) -> Result<Vec<Entry>> {
        Ok(host::read_directory(&self.sandbox.handle, path).await?.into_iter().map(Entry::from).collect())
    }

    /// Makes a directory, and those above it if `parents`.
    pub async fn make_directory(&self, path: &str, parents: bool) -> Result<()> {
        host::make_directory(&self.sandbox.handle, path, parents).await.map_err(Error::from)
    }

    /// Gives the file another name.
    pub async fn rename(&self, source: &str, target: &str) -> Result<()> {
        host::rename(&self.sandbox.handle, source, target).await.map_err(Error::from)
    }

    /// Removes it, and all below it if `recursive`.
    pub async fn remove(&self, path: &str, recursive: bool) -> Result<()> {
        host::remove(&self.sandbox.handle, path, recursive).await.map_err(Error::from)
    }

    /// What changes there from now on, until it is dropped.
    pub fn watch(&self, path: &str, recursive: bool) -> Items<Change> {
        Items::new(host::watch(&self.sandbox.handle, path, recursive))
    }
}

impl From<WriteOptions> for host::WriteOptions {
    fn from(options: WriteOptions) -> Self {
        Self { mode: options.mode, length: options.length, append: options.append }
    }
}

impl From<host::Entry> for Entry {
    fn from(entry: host::Entry) -> Self {
        let host::Entry { name, kind, size, mode, modified } = entry;
        Self { name, kind, size, mode, modified: clock::system_time(modified) }
    }
}
