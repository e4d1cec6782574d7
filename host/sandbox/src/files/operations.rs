//! What a sandbox's owner may do with its files.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::work::{Supervised, Ties};
use super::{
    FileEntry, MakeDirectory, ReadFile, Reading, Remove, Rename, Watch, Watching, Work, WriteFile, Writing,
};
use crate::authority::event;
use crate::counted::Tally;
use crate::error::{Error, Result};
use crate::grant::{Authorized, Save};
use crate::narrow;
use crate::policy::{File, FileAccess, Operation};
use crate::sandbox::Sandbox;
use crate::validate;

/// Operations on files of one sandbox at once. Each is a process in there, and is none of the operator's `commands`.
const MOST: u32 = 64;
/// Of a file's permission bits, those that may be asked for: no program gains rights by being executed.
const PERMISSIONS: u32 = 0o777;

/// Counts the operations that are under way.
#[derive(Clone, Default)]
pub(crate) struct Places(Arc<Mutex<u32>>);

/// One operation's place, until it is over.
pub(crate) struct Place {
    among: Places,
    /// When it has to be over.
    pub(super) deadline: Option<Instant>,
}

impl Places {
    fn take(&self, deadline: Option<Instant>) -> Result<Place> {
        let mut taken = self.0.lock();
        if *taken >= MOST {
            return Err(Error::LimitReached("operations on files at once in a sandbox".into()));
        }
        *taken += 1;
        Ok(Place { among: self.clone(), deadline })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.among.0.lock() -= 1;
    }
}

impl Sandbox {
    /// Reads a regular file.
    ///
    /// # Errors
    /// `Denied`, `InvalidArgument`, `NotFound`, `NotADirectory`, `IsADirectory`, `PermissionDenied`, `LimitReached`,
    /// `TimedOut`, `Gone`, `Poisoned`, `Failed`: here, or at the end of the stream.
    pub async fn read_file(&self, request: ReadFile) -> Result<Reading> {
        let place = self.enter([&request.path])?;
        let (grant, tally) = self.allow(FileAccess::Read, request.path.clone(), request).await?;
        let begun = self.begin(&place, &tally, self.instance().files().read_file(grant)).await?;
        let bytes = tally.count_stdout(begun.stream);
        Ok(Reading::new(bytes, self.supervise(begun.work, place, tally)))
    }

    /// Writes a regular file: whole or not at all, unless it appends.
    ///
    /// # Errors
    /// Those of [`Sandbox::read_file`]; `InvalidArgument` where not as many bytes came as announced.
    pub async fn write_file(&self, request: WriteFile) -> Result<Writing> {
        if request.mode & !PERMISSIONS != 0 {
            return Err(Error::invalid("mode", format!("{:o} is more than permissions", request.mode)));
        }
        let place = self.enter([&request.path])?;
        let (grant, tally) = self.allow(FileAccess::Write, request.path.clone(), request).await?;
        let begun = self.begin(&place, &tally, self.instance().files().write_file(grant)).await?;
        let bytes = tally.count_stdin(begun.stream);
        Ok(Writing::new(bytes, self.supervise(begun.work, place, tally)))
    }

    /// What is known of a file; of the link itself where the path ends in one.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`].
    pub async fn file_entry(&self, path: String) -> Result<FileEntry> {
        let place = self.enter([&path])?;
        let (grant, tally) = self.allow(FileAccess::Read, path.clone(), path).await?;
        self.do_at_once(place, tally, self.instance().files().file_entry(grant)).await
    }

    /// The members of a directory, in no order.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`]; `InvalidArgument` where a name is not UTF-8.
    pub async fn read_directory(&self, path: String) -> Result<Vec<FileEntry>> {
        let place = self.enter([&path])?;
        let (grant, tally) = self.allow(FileAccess::Read, path.clone(), path).await?;
        self.do_at_once(place, tally, self.instance().files().read_directory(grant)).await
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`]; `AlreadyExists`.
    pub async fn make_directory(&self, request: MakeDirectory) -> Result<()> {
        let place = self.enter([&request.path])?;
        let (grant, tally) = self.allow(FileAccess::Write, request.path.clone(), request).await?;
        self.do_at_once(place, tally, self.instance().files().make_directory(grant)).await
    }

    /// Gives a file or directory a new name. Policies are asked about both names.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`]; `DirectoryNotEmpty`, `InvalidArgument` where the two are on different file systems.
    pub async fn rename(&self, request: Rename) -> Result<()> {
        let place = self.enter([&request.source, &request.target])?;
        let (_, removal) = self.allow(FileAccess::Remove, request.source.clone(), ()).await?;
        let renamed = async {
            let (grant, tally) = self.allow(FileAccess::Write, request.target.clone(), request).await?;
            self.do_at_once(place, tally, self.instance().files().rename(grant)).await
        };
        let renamed = renamed.await;
        // One end, for the entries of both names.
        removal.settle(renamed.clone().map(|()| None));
        renamed
    }

    /// Removes a file, a link or a directory.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`]; `DirectoryNotEmpty`.
    pub async fn remove(&self, request: Remove) -> Result<()> {
        let place = self.enter([&request.path])?;
        let (grant, tally) = self.allow(FileAccess::Remove, request.path.clone(), request).await?;
        self.do_at_once(place, tally, self.instance().files().remove(grant)).await
    }

    /// Watches a file or directory: every change from the answer on is seen. It has no deadline.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`].
    pub async fn watch(&self, request: Watch) -> Result<Watching> {
        let mut place = self.enter([&request.path])?;
        let (grant, tally) = self.allow(FileAccess::Watch, request.path.clone(), request).await?;
        let begun = self.begin(&place, &tally, self.instance().files().watch(grant)).await?;
        place.deadline = None;
        Ok(Watching::new(begun.stream, self.supervise(begun.work, place, tally)))
    }

    /// All of its state, to be saved.
    pub(crate) async fn saved_state(&self, grant: Authorized<Save>, tally: Arc<Tally>) -> Result<Reading> {
        let place = self.enter([])?;
        let begun = self.begin(&place, &tally, self.instance().save(grant)).await?;
        let bytes = tally.count_stdout(begun.stream);
        Ok(Reading::new(bytes, self.supervise(begun.work, place, tally)))
    }

    /// A place for an operation on these files, if that makes sense now. Its deadline runs from here: it covers the policies
    /// too.
    fn enter<const N: usize>(&self, paths: [&String; N]) -> Result<Place> {
        for path in paths {
            validate::path(path)?;
        }
        self.state().admits_command()?;
        self.file_places().take(Instant::now().checked_add(self.owner().ceiling().timeout))
    }

    /// Asks whether this may be done with a file. What was allowed owes the audit log its end, which the tally sees to.
    async fn allow<G>(
        &self,
        access: FileAccess,
        path: String,
        request: G,
    ) -> Result<(Authorized<G>, Arc<Tally>)> {
        let owner = self.owner();
        let event = event(self.subject(), Operation::File(File { path, access }), owner.history());
        let narrow = |_: &mut G, narrowing: &_| narrow::nothing("file", narrowing);
        let (grant, underway) = owner.authorize(event, Ok(request), narrow).await?;
        Ok((grant, Tally::new(owner.authority().clone(), underway)))
    }

    /// An operation whose answer is all there is of it.
    async fn do_at_once<T>(
        &self,
        place: Place,
        tally: Arc<Tally>,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let answer = self.begin(&place, &tally, operation).await?;
        tally.settle(Ok(None));
        Ok(answer)
    }

    /// Lets the backend begin. Where that fails, the log gets its end.
    async fn begin<T>(
        &self,
        place: &Place,
        tally: &Arc<Tally>,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let begun = async {
            // Policies take time, and the sandbox may have gone meanwhile.
            self.state().admits_command()?;
            operation.await
        };
        let begun = match place.deadline {
            Some(deadline) => timeout_at(deadline, begun).await.unwrap_or(Err(Error::TimedOut)),
            None => begun.await,
        };
        if let Err(error) = &begun {
            if error.poisons() {
                self.lifecycle().poison().await;
            }
            tally.clone().settle(Err(error.clone()));
        }
        begun
    }

    fn supervise(&self, work: Arc<dyn Work>, place: Place, tally: Arc<Tally>) -> Supervised {
        Supervised::start(work, Ties { lifecycle: self.lifecycle().clone(), tally, place })
    }
}
