//! A snapshot in the store, or held outside it for a fork.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use async_trait::async_trait;
use mimobox_sandbox::{Output, Record, Result, SnapshotId, Stored};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::error::{FormatError, StoreError};
use crate::folder;
use crate::header::{HEADER_LENGTH, Header, START};
use crate::reading::{PartReader, read_exact, verify};
use crate::record;
use crate::store::{Charge, Shared, blocking};

/// A snapshot whose header and record were checked.
pub(crate) struct FolderSnapshot {
    shared: Arc<Shared>,
    id: SnapshotId,
    record: Record,
    header: Header,
    /// Through which it is read, whatever becomes of its name. None in a listing, which may be long.
    file: Option<Arc<File>>,
    /// Set once the state is known to match its digest.
    verified: OnceCell<()>,
    /// Of one that is held, and so has no name.
    charge: Option<Charge>,
}

impl FolderSnapshot {
    /// Opens one and checks all but its state.
    pub(crate) fn open(shared: &Arc<Shared>, id: &SnapshotId) -> Result<Self, StoreError> {
        let file = folder::open(&shared.folder, id)?;
        let length = file.metadata().map_err(StoreError::Open)?.len();
        let mut bytes = vec![0; HEADER_LENGTH.min(usize::try_from(length).unwrap_or(HEADER_LENGTH))];
        read_exact(&file, &mut bytes, 0)?;
        let header = Header::decode(&bytes)?;
        header.admit()?;
        if length < header.size() {
            return Err(FormatError::Truncated.into());
        }
        if length > header.size() {
            return Err(FormatError::Trailing.into());
        }
        let mut bytes = vec![0; record::admit(&header)?];
        read_exact(&file, &mut bytes, START)?;
        let record = record::decode(&header, &bytes)?;
        let verified =
            if shared.verified.has(&file)? { OnceCell::new_with(Some(())) } else { OnceCell::new() };
        let (shared, id, file) = (shared.clone(), id.clone(), Some(Arc::new(file)));
        Ok(Self { shared, id, record, header, file, verified, charge: None })
    }

    /// One that was just written, under its name.
    pub(crate) fn kept(
        shared: Arc<Shared>,
        id: SnapshotId,
        record: Record,
        header: Header,
        file: Arc<File>,
    ) -> Self {
        let verified = OnceCell::new_with(Some(()));
        Self { shared, id, record, header, file: Some(file), verified, charge: None }
    }

    /// One that was just written, and never has a name.
    pub(crate) fn held(
        shared: Arc<Shared>,
        id: SnapshotId,
        record: Record,
        header: Header,
        file: Arc<File>,
        charge: Charge,
    ) -> Self {
        Self { charge: Some(charge), ..Self::kept(shared, id, record, header, file) }
    }

    /// The same without its file, which is opened again when it is asked for.
    pub(crate) fn closed(self) -> Self {
        Self { file: None, verified: OnceCell::new(), ..self }
    }

    async fn file(&self) -> Result<Arc<File>, StoreError> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let (shared, id) = (self.shared.clone(), self.id.clone());
        let again = blocking(move || Self::open(&shared, &id)).await?;
        // Another under its name is not the one that was listed.
        let same = again.header == self.header;
        again.file.filter(|_| same).ok_or(StoreError::NotFound)
    }

    /// The file, its state known to be as it was written. Only the first time in a process does this hash it.
    async fn verified(&self) -> Result<Arc<File>, StoreError> {
        let file = self.file().await?;
        let check = || {
            let (shared, file, state) = (self.shared.clone(), file.clone(), *self.header.state());
            blocking(move || {
                if !shared.verified.has(&file)? {
                    verify(&file, &state)?;
                    shared.verified.add(&file)?;
                }
                Ok(())
            })
        };
        self.verified.get_or_try_init(check).await?;
        Ok(file)
    }
}

#[async_trait]
impl Stored for FolderSnapshot {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn record(&self) -> &Record {
        &self.record
    }

    fn size(&self) -> u64 {
        self.header.size()
    }

    async fn state(&self) -> Result<Output> {
        let file = self.verified().await?;
        let state = self.header.state();
        Ok(Box::pin(PartReader::new(file, state.offset, state.length)))
    }

    async fn export(&self) -> Result<Output> {
        let file = self.verified().await?;
        Ok(Box::pin(PartReader::new(file, 0, self.header.size())))
    }

    async fn delete(&self) -> Result<()> {
        if self.charge.is_some() {
            return Ok(());
        }
        let (shared, id) = (self.shared.clone(), self.id.clone());
        Ok(blocking(move || folder::delete(&shared.folder, &id)).await?)
    }
}

/// The files whose state this process has hashed, or wrote itself.
#[derive(Debug)]
pub(crate) struct Verified {
    most: usize,
    files: Mutex<HashSet<Stamp>>,
}

/// A file as it was at one time: whatever changes it, its name or its bytes, changes this.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Verified {
    /// Remembers no more than `most` at once: forgetting one costs no more than hashing it again.
    pub(crate) fn at_most(most: usize) -> Self {
        Self { most, files: Mutex::default() }
    }

    pub(crate) fn has(&self, file: &File) -> Result<bool, StoreError> {
        let stamp = Stamp::of(file)?;
        Ok(self.files.lock().contains(&stamp))
    }

    pub(crate) fn add(&self, file: &File) -> Result<(), StoreError> {
        let stamp = Stamp::of(file)?;
        let mut files = self.files.lock();
        if files.len() >= self.most {
            files.clear();
        }
        files.insert(stamp);
        Ok(())
    }
}

impl Stamp {
    fn of(file: &File) -> Result<Self, StoreError> {
        let metadata = file.metadata().map_err(StoreError::Read)?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Ok(Self { inode: metadata.ino(), size: metadata.len(), changed })
    }
}
