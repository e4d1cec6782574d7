//! A sandbox's files, as its own programs see them.

use std::fmt;

use futures_util::StreamExt as _;
use mimobox_sandbox::{
    FileChange, FileEntry, MakeDirectory, ReadFile, Reading, Remove, Rename, Sandbox, Watch, WriteFile,
    Writing,
};

use crate::error::Result;

/// Longest file that [`Files::read`] takes into memory.
const LONGEST_READ: usize = 64 * 1024 * 1024;

/// The files of a sandbox. Paths are absolute, and resolved inside it: a link leads nowhere else. All is done as the sandbox's
/// default user.
///
/// Each operation fails with `NotFound`, `NotADirectory`, `PermissionDenied`, `Denied`, `InvalidArgument` (such as a relative
/// path), `LimitReached`, `TimedOut`, `Gone`, `Poisoned` or `Failed`, and with what is named at each besides.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mimobox::Error> {
/// # if !mimobox_harness::can_sandbox() { return Ok(()); }
/// let sandbox = mimobox::Sandbox::new().await?;
/// let files = sandbox.files();
/// files.write("/tmp/numbers", "2\n1\n").await?;
/// sandbox.execute("sort /tmp/numbers > /tmp/sorted").await?;
/// assert_eq!(files.read("/tmp/sorted").await?, b"1\n2\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Files<'a>(&'a Sandbox);

impl<'a> Files<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox) -> Self {
        Self(sandbox)
    }

    /// All bytes of a file. What is longer than 64 MiB wants [`Files::reader`].
    ///
    /// # Errors
    /// `IsADirectory`. `LimitReached("file")`: it is longer.
    pub async fn read(self, path: &str) -> Result<Vec<u8>> {
        Ok(self.0.read_file(ReadFile::whole(path)).await?.to_vec(LONGEST_READ).await?)
    }

    /// The bytes of a file as they come ([`tokio::io::AsyncRead`]), or a part of them.
    ///
    /// # Errors
    /// `IsADirectory`, here or at the end of the bytes.
    pub async fn reader(self, request: ReadFile) -> Result<Reading> {
        Ok(self.0.read_file(request).await?)
    }

    /// Makes a file of these bytes, or puts them in place of an old one's: whole or not at all.
    ///
    /// # Errors
    /// `IsADirectory`, `LimitReached` (disk).
    pub async fn write(self, path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        let bytes = bytes.as_ref();
        let request = WriteFile { length: Some(bytes.len() as u64), ..WriteFile::new(path) };
        let mut writing = self.0.write_file(request).await?;
        writing.write(bytes).await?;
        Ok(writing.finish().await?)
    }

    /// Takes a file's new bytes as they come ([`tokio::io::AsyncWrite`]); it is there after [`Writing::finish`].
    ///
    /// # Errors
    /// `IsADirectory`, `LimitReached` (disk), here or at the end.
    pub async fn writer(self, request: WriteFile) -> Result<Writing> {
        Ok(self.0.write_file(request).await?)
    }

    /// What is in a directory, in no order.
    ///
    /// # Errors
    /// `InvalidArgument`: a name is not UTF-8.
    pub async fn list(self, path: &str) -> Result<Vec<FileEntry>> {
        Ok(self.0.read_directory(path.to_owned()).await?)
    }

    /// What is known of a file; of the link itself where the path ends in one.
    ///
    /// # Errors
    /// Those of every operation.
    pub async fn stat(self, path: &str) -> Result<FileEntry> {
        Ok(self.0.file_entry(path.to_owned()).await?)
    }

    /// Makes a directory, and those above it that are missing. One that is there is no error.
    ///
    /// # Errors
    /// `AlreadyExists`: something else is there.
    pub async fn make_dir(self, path: &str) -> Result<()> {
        Ok(self.0.make_directory(MakeDirectory { path: path.to_owned(), parents: true }).await?)
    }

    /// Gives a file or directory a new name, in place of whatever goes by it.
    ///
    /// # Errors
    /// `IsADirectory`, `DirectoryNotEmpty`; `InvalidArgument`: not on the same file system.
    pub async fn rename(self, from: &str, to: &str) -> Result<()> {
        Ok(self.0.rename(Rename { source: from.to_owned(), target: to.to_owned() }).await?)
    }

    /// Removes a file, a link, or an empty directory.
    ///
    /// # Errors
    /// `DirectoryNotEmpty`.
    pub async fn remove(self, path: &str) -> Result<()> {
        Ok(self.0.remove(Remove { path: path.to_owned(), recursive: false }).await?)
    }

    /// Removes a directory with all that is in it.
    ///
    /// # Errors
    /// Those of every operation.
    pub async fn remove_all(self, path: &str) -> Result<()> {
        Ok(self.0.remove(Remove { path: path.to_owned(), recursive: true }).await?)
    }

    /// Watches a file, or a directory with all that is below it: every change from the answer on is seen.
    ///
    /// # Errors
    /// `LimitReached`: too many directories.
    pub async fn watch(self, path: &str) -> Result<FileWatch> {
        Ok(FileWatch(self.0.watch(Watch { path: path.to_owned(), recursive: true }).await?))
    }
}

impl fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Files").field(self.0.id()).finish()
    }
}

/// Changes, in order. Dropping it stops the watching.
#[derive(Debug)]
pub struct FileWatch(mimobox_sandbox::Watching);

impl FileWatch {
    /// The next change; none when what is watched is gone.
    ///
    /// # Errors
    /// `LimitReached`: so many changes were not taken that some are lost. It is the last item.
    pub async fn recv(&mut self) -> Option<Result<FileChange>> {
        self.0.next().await.map(|change| Ok(change?))
    }
}
