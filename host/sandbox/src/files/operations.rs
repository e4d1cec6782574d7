//! What a sandbox's owner may do with its files.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::work::{Supervised, Ties};
use super::{
    FileEntry, MakeDirectory, ReadFile, Reading, Remove, Rename, Watch, Watching, WriteFile, Writing,
};
use crate::authority::{Underway, event};
use crate::counted::Tally;
use crate::error::{Error, Result};
use crate::files::FileTask;
use crate::grant::Authorized;
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
pub(crate) struct Place(Places);

impl Places {
    fn take(&self) -> Result<Place> {
        let mut taken = self.0.lock();
        if *taken >= MOST {
            return Err(Error::LimitReached("operations on files at once in a sandbox".into()));
        }
        *taken += 1;
        Ok(Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.0.lock() -= 1;
    }
}

/// What an operation that was allowed is tied to from then on.
struct Admission {
    underway: Underway,
    place: Place,
    deadline: Option<Instant>,
}

impl Sandbox {
    /// Reads a regular file.
    ///
    /// # Errors
    /// `Denied`, `InvalidArgument`, `NotFound`, `NotADirectory`, `IsADirectory`, `PermissionDenied`, `LimitReached`,
    /// `TimedOut`, `Gone`, `Poisoned`, `Failed`: here, or at the end of the stream.
    pub async fn read_file(&self, request: ReadFile) -> Result<Reading> {
        let (grant, admission) = self.admit(&[(&request.path.clone(), FileAccess::Read)], request).await?;
        let (FileTask { stream, work }, ties) =
            self.begin(admission, self.instance().read_file(grant)).await?;
        let bytes = ties.tally.count_stdout(stream);
        Ok(Reading::new(bytes, Supervised::start(work, ties)))
    }

    /// Writes a regular file: whole or not at all, unless it appends.
    ///
    /// # Errors
    /// Those of [`Sandbox::read_file`]; `InvalidArgument` where not as many bytes came as announced.
    pub async fn write_file(&self, request: WriteFile) -> Result<Writing> {
        if request.mode & !PERMISSIONS != 0 {
            return Err(Error::invalid("mode", format!("{:o} is more than permissions", request.mode)));
        }
        let (grant, admission) = self.admit(&[(&request.path.clone(), FileAccess::Write)], request).await?;
        let (FileTask { stream, work }, ties) =
            self.begin(admission, self.instance().write_file(grant)).await?;
        let bytes = ties.tally.count_stdin(stream);
        Ok(Writing::new(bytes, Supervised::start(work, ties)))
    }

    /// What is known of a file; of the link itself where the path ends in one.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`].
    pub async fn file_entry(&self, path: String) -> Result<FileEntry> {
        let (grant, admission) = self.admit(&[(&path.clone(), FileAccess::Read)], path).await?;
        self.do_at_once(admission, self.instance().file_entry(grant)).await
    }

    /// The members of a directory, in no order.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`]; `InvalidArgument` where a name is not UTF-8.
    pub async fn read_directory(&self, path: String) -> Result<Vec<FileEntry>> {
        let (grant, admission) = self.admit(&[(&path.clone(), FileAccess::Read)], path).await?;
        self.do_at_once(admission, self.instance().read_directory(grant)).await
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`]; `AlreadyExists`.
    pub async fn make_directory(&self, request: MakeDirectory) -> Result<()> {
        let (grant, admission) = self.admit(&[(&request.path.clone(), FileAccess::Write)], request).await?;
        self.do_at_once(admission, self.instance().make_directory(grant)).await
    }

    /// Gives a file or directory a new name. Policies are asked about both names.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`]; `DirectoryNotEmpty`, `InvalidArgument` where the two are on different file systems.
    pub async fn rename(&self, request: Rename) -> Result<()> {
        let (source, target) = (request.source.clone(), request.target.clone());
        let paths = [(&source, FileAccess::Remove), (&target, FileAccess::Write)];
        let (grant, admission) = self.admit(&paths, request).await?;
        self.do_at_once(admission, self.instance().rename(grant)).await
    }

    /// Removes a file, a link or a directory.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`]; `DirectoryNotEmpty`.
    pub async fn remove(&self, request: Remove) -> Result<()> {
        let (grant, admission) = self.admit(&[(&request.path.clone(), FileAccess::Remove)], request).await?;
        self.do_at_once(admission, self.instance().remove(grant)).await
    }

    /// Watches a file or directory: every change from the answer on is seen. It has no deadline.
    ///
    /// # Errors
    /// As for [`Sandbox::read_file`].
    pub async fn watch(&self, request: Watch) -> Result<Watching> {
        let (grant, admission) = self.admit(&[(&request.path.clone(), FileAccess::Watch)], request).await?;
        let (FileTask { stream, work }, mut ties) =
            self.begin(admission, self.instance().watch(grant)).await?;
        ties.deadline = None;
        Ok(Watching::new(stream, Supervised::start(work, ties)))
    }

    /// Asks for each of `paths` in turn. What was allowed before a denial is written down as over.
    async fn admit<G: Clone>(
        &self,
        paths: &[(&String, FileAccess)],
        request: G,
    ) -> Result<(Authorized<G>, Admission)> {
        for (path, _) in paths {
            validate::path(path)?;
        }
        self.state().admits_command()?;
        let place = self.file_places().take()?;
        let owner = self.owner();
        let deadline = Instant::now().checked_add(owner.ceiling().timeout);
        let mut allowed: Option<(Authorized<G>, Underway)> = None;
        for (path, access) in paths {
            let file = File { path: (*path).clone(), access: *access };
            let event = event(self.subject(), Operation::File(file), owner.history());
            let narrow = |_: &mut G, narrowing: &_| narrow::nothing("file", narrowing);
            let answer = owner.authorize(event, Ok(request.clone()), narrow).await;
            if let Some((_, underway)) = &allowed {
                let end = answer.as_ref().map(|_| None).map_err(Error::clone);
                owner.authority().finished(underway, &end, None)?;
            }
            allowed = Some(answer?);
        }
        let (grant, underway) = allowed.ok_or_else(|| Error::invalid("path", "none"))?;
        Ok((grant, Admission { underway, place, deadline }))
    }

    /// An operation whose answer is all there is of it.
    async fn do_at_once<T>(
        &self,
        admission: Admission,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (answer, ties) = self.begin(admission, operation).await?;
        ties.tally.settle(Ok(None));
        Ok(answer)
    }

    /// Lets the backend begin. Where that fails, the log has its end.
    async fn begin<T>(
        &self,
        admission: Admission,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<(T, Ties)> {
        let Admission { underway, place, deadline } = admission;
        let tally = Tally::new(self.owner().authority().clone(), underway);
        let begun = async {
            // Policies take time, and the sandbox may have gone meanwhile.
            self.state().admits_command()?;
            operation.await
        };
        let begun = match deadline {
            Some(deadline) => timeout_at(deadline, begun).await.unwrap_or(Err(Error::TimedOut)),
            None => begun.await,
        };
        match begun {
            Ok(answer) => Ok((answer, Ties { lifecycle: self.lifecycle().clone(), tally, place, deadline })),
            Err(error) => {
                if error.poisons() {
                    self.lifecycle().poison().await;
                }
                tally.settle(Err(error.clone()));
                Err(error)
            }
        }
    }
}
