//! A sandbox's files. Paths are absolute, UTF-8, and resolved inside the sandbox: no link leads out of it.
//!
//! ```no_run
//! # async fn example(sandbox: mimobox_guest::Sandbox) -> mimobox_guest::Result<()> {
//! let files = sandbox.files();
//! files.write("/tmp/greeting", "hello").await?;
//! assert_eq!(files.read_to_string("/tmp/greeting", 1024).await?, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! Besides what is named at each, an operation fails with [`Error::Denied`], [`Error::NotFound`], [`Error::NotADirectory`],
//! [`Error::PermissionDenied`], [`Error::InvalidArgument`] (a path that makes no sense), [`Error::LimitReached`] (too many at
//! once), [`Error::TimedOut`], [`Error::Gone`] or [`Error::Failed`].

mod writer;

use std::time::SystemTime;

use crate::bindings::mimobox::host::files as host;
use crate::clock;
use crate::error::{Error, Result};
use crate::sandbox::Sandbox;
use crate::streams::{ByteReader, Items};

pub use host::{Change, ChangeKind, Kind};
pub use writer::FileWriter;

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

/// How to write a file. By default it replaces what is there by as many bytes as come, and a new one is `rw-r--r--`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Permission bits of a new file; an old one keeps its own.
    pub mode: u32,
    /// Bytes to expect: if fewer or more come, the old file stays as it was.
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
    /// The file's bytes. Errors come from the reader: [`Error::IsADirectory`] among them.
    pub fn read(&self, path: &str) -> ByteReader {
        self.read_range(path, 0, None)
    }

    /// The file's bytes from `offset` on, at most `length` of them. There are none past its end.
    pub fn read_range(&self, path: &str, offset: u64, length: Option<u64>) -> ByteReader {
        ByteReader::new(host::read(&self.sandbox.handle, path, offset, length))
    }

    /// The whole file, if it has no more than `limit` bytes.
    ///
    /// # Errors
    /// [`Error::IsADirectory`]. [`Error::LimitReached`]: it is larger.
    pub async fn read_to_vec(&self, path: &str, limit: usize) -> Result<Vec<u8>> {
        self.read(path).to_vec(limit).await
    }

    /// The whole file as text, if it has no more than `limit` bytes.
    ///
    /// # Errors
    /// As [`read_to_vec`](Self::read_to_vec). [`Error::InvalidArgument`]: it is not UTF-8.
    pub async fn read_to_string(&self, path: &str, limit: usize) -> Result<String> {
        let bytes = self.read_to_vec(path, limit).await?;
        String::from_utf8(bytes).map_err(|_| Error::InvalidArgument(format!("{path} is not UTF-8")))
    }

    /// Replaces the file by these bytes, whole or not at all.
    ///
    /// # Errors
    /// [`Error::IsADirectory`]. [`Error::LimitReached`]: the disk is full.
    pub async fn write(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let bytes = bytes.into();
        let length = Some(bytes.len() as u64);
        let mut writer = self.create(path, WriteOptions { length, ..WriteOptions::default() });
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Puts these bytes behind those that are there. Two at once may mix, one write of each after the other.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn append(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let mut writer = self.create(path, WriteOptions { append: true, ..WriteOptions::default() });
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Begins to write a file, bit by bit. Errors come from the writer.
    pub fn create(&self, path: &str, options: WriteOptions) -> FileWriter {
        FileWriter::new(self.sandbox, path, options)
    }

    /// Writes what a reader gives: a process's output, another file. If it ends with an error, the old file stays as it was.
    ///
    /// # Errors
    /// Those of the reader, and as [`write`](Self::write).
    pub async fn write_from(&self, path: &str, options: WriteOptions, mut data: ByteReader) -> Result<()> {
        let mut writer = self.create(path, options);
        while let Some(bytes) = data.next().await? {
            writer.write(bytes).await?;
        }
        writer.finish().await
    }

    /// What is known of the file; of the link itself where the path ends in one.
    pub async fn stat(&self, path: &str) -> Result<Entry> {
        Ok(host::stat(&self.sandbox.handle, path).await?.into())
    }

    /// What the directory holds, in no order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: a name in it is not UTF-8.
    pub async fn read_directory(&self, path: &str) -> Result<Vec<Entry>> {
        Ok(host::read_directory(&self.sandbox.handle, path).await?.into_iter().map(Entry::from).collect())
    }

    /// Makes a directory. With `parents` those above it too, and one that is there is no error.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`].
    pub async fn make_directory(&self, path: &str, parents: bool) -> Result<()> {
        host::make_directory(&self.sandbox.handle, path, parents).await.map_err(Error::from)
    }

    /// Gives the file another name, on the same file system; what has that name is replaced.
    ///
    /// # Errors
    /// [`Error::IsADirectory`], [`Error::DirectoryNotEmpty`].
    pub async fn rename(&self, source: &str, target: &str) -> Result<()> {
        host::rename(&self.sandbox.handle, source, target).await.map_err(Error::from)
    }

    /// Removes it, and all below it if `recursive`. A link goes, not what it leads to.
    ///
    /// # Errors
    /// [`Error::DirectoryNotEmpty`].
    pub async fn remove(&self, path: &str, recursive: bool) -> Result<()> {
        host::remove(&self.sandbox.handle, path, recursive).await.map_err(Error::from)
    }

    /// What changes there from now on: it is in place when this returns. The changes end when the path is gone; why there is no
    /// watch, they say. Dropping them ends it.
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
