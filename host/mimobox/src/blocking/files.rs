//! A sandbox's files, waited for.

use mimobox_sandbox::{FileChange, FileEntry, ReadFile, Reading, WriteFile, Writing};

use super::{Blocking, wait};
use crate::error::Result;

/// The files of a sandbox: [`mimobox::Files`](crate::Files), waited for.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a>(pub(super) crate::Files<'a>);

/// Each fails as its namesake does, and with `WithinRuntime`.
impl Files<'_> {
    /// See [`crate::Files::read`].
    ///
    /// # Errors
    /// See there.
    pub fn read(self, path: &str) -> Result<Vec<u8>> {
        wait(self.0.read(path))?
    }

    /// See [`crate::Files::reader`].
    ///
    /// # Errors
    /// See there.
    pub fn reader(self, request: ReadFile) -> Result<Blocking<Reading>> {
        wait(self.0.reader(request))?.map(Blocking)
    }

    /// See [`crate::Files::write`].
    ///
    /// # Errors
    /// See there.
    pub fn write(self, path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        wait(self.0.write(path, bytes))?
    }

    /// See [`crate::Files::writer`]. The file is there after [`Blocking::finish`].
    ///
    /// # Errors
    /// See there.
    pub fn writer(self, request: WriteFile) -> Result<Blocking<Writing>> {
        wait(self.0.writer(request))?.map(Blocking)
    }

    /// See [`crate::Files::list`].
    ///
    /// # Errors
    /// See there.
    pub fn list(self, path: &str) -> Result<Vec<FileEntry>> {
        wait(self.0.list(path))?
    }

    /// See [`crate::Files::stat`].
    ///
    /// # Errors
    /// See there.
    pub fn stat(self, path: &str) -> Result<FileEntry> {
        wait(self.0.stat(path))?
    }

    /// See [`crate::Files::make_dir`].
    ///
    /// # Errors
    /// See there.
    pub fn make_dir(self, path: &str) -> Result<()> {
        wait(self.0.make_dir(path))?
    }

    /// See [`crate::Files::rename`].
    ///
    /// # Errors
    /// See there.
    pub fn rename(self, from: &str, to: &str) -> Result<()> {
        wait(self.0.rename(from, to))?
    }

    /// See [`crate::Files::remove`].
    ///
    /// # Errors
    /// See there.
    pub fn remove(self, path: &str) -> Result<()> {
        wait(self.0.remove(path))?
    }

    /// See [`crate::Files::remove_all`].
    ///
    /// # Errors
    /// See there.
    pub fn remove_all(self, path: &str) -> Result<()> {
        wait(self.0.remove_all(path))?
    }

    /// See [`crate::Files::watch`].
    ///
    /// # Errors
    /// See there.
    pub fn watch(self, path: &str) -> Result<FileWatch> {
        wait(self.0.watch(path))?.map(FileWatch)
    }
}

impl Blocking<Writing> {
    /// Says that all bytes were written; done when the file is there.
    ///
    /// # Errors
    /// Those of the operation; `WithinRuntime`.
    pub fn finish(self) -> Result<()> {
        Ok(wait(self.0.finish())??)
    }
}

/// Changes, as an iterator: [`mimobox::FileWatch`](crate::FileWatch), waited for.
#[derive(Debug)]
pub struct FileWatch(crate::FileWatch);

impl FileWatch {
    /// See [`crate::FileWatch::recv`].
    ///
    /// # Errors
    /// See there; `WithinRuntime`.
    pub fn recv(&mut self) -> Option<Result<FileChange>> {
        wait(self.0.recv()).unwrap_or_else(|error| Some(Err(error)))
    }
}

impl Iterator for FileWatch {
    type Item = Result<FileChange>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv()
    }
}
