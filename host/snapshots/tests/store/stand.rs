//! A store in a folder of its own, and what goes into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_sandbox::{
    Draft, EgressRule, Error, Isolation, Limits, Mount, Output, Record, Result, SnapshotId, SnapshotStore,
    Spec, Stored,
};
use mimobox_snapshots::{FolderStore, StoreLimits};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) const ROOMY: StoreLimits = StoreLimits { bytes: 1 << 30, snapshots: 1000, one: 1 << 28 };

/// A store and its folder, which goes with it unless it was there before.
pub(crate) struct Stand {
    folder: PathBuf,
    pub(crate) store: FolderStore,
    _own: Option<TempDir>,
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self::limited(ROOMY)
    }

    pub(crate) fn limited(limits: StoreLimits) -> Self {
        let own = tempfile::tempdir().unwrap();
        let stand = Self::at(own.path(), limits);
        Self { _own: Some(own), ..stand }
    }

    /// In a folder that is there and stays.
    pub(crate) fn at(folder: &Path, limits: StoreLimits) -> Self {
        Self { folder: folder.to_owned(), store: open(folder, limits), _own: None }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of all files in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub(crate) fn path(&self, id: &SnapshotId) -> PathBuf {
        self.folder.join(format!("{id}.snapshot"))
    }

    pub(crate) async fn keep(&self, state: &[u8]) -> Result<Arc<dyn Stored>> {
        self.draft(state).await?.keep().await
    }

    pub(crate) async fn hold(&self, state: &[u8]) -> Result<Arc<dyn Stored>> {
        self.draft(state).await?.hold().await
    }

    pub(crate) async fn draft(&self, state: &[u8]) -> Result<Box<dyn Draft>> {
        let mut draft = self.store.begin(record()).await?;
        draft.write_all(state).await.map_err(|error| Error::from_io(&error))?;
        Ok(draft)
    }

    pub(crate) async fn import(&self, bytes: &[u8]) -> Result<Arc<dyn Stored>> {
        self.store.import(stream(bytes)).await
    }

    pub(crate) async fn ids(&self) -> Vec<SnapshotId> {
        let mut ids: Vec<_> =
            self.store.list().await.unwrap().iter().map(|stored| stored.id().clone()).collect();
        ids.sort();
        ids
    }
}

pub(crate) fn open(folder: &Path, limits: StoreLimits) -> FolderStore {
    let folder = Dir::open_ambient_dir(folder, ambient_authority()).unwrap();
    FolderStore::open(folder, limits).unwrap()
}

pub(crate) fn stream(bytes: &[u8]) -> Output {
    Box::pin(std::io::Cursor::new(bytes.to_vec()))
}

/// A record with something in each place.
pub(crate) fn record() -> Record {
    Record {
        isolation: Isolation::Os,
        image: "host".into(),
        memory: false,
        parent: Some(SnapshotId::new("an-earlier-one").unwrap()),
        created: UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789),
        spec: Spec {
            isolation: Some(Isolation::Os),
            image: Some("host".into()),
            limits: Limits {
                memory: Some(64 << 20),
                cpu: Some(500),
                processes: Some(32),
                disk: Some(16 << 20),
            },
            environment: vec![("GREETING".into(), "hello".into())],
            mounts: vec![Mount { volume: "work".into(), target: "/work".into(), read_only: true }],
            egress: vec![EgressRule {
                host: "example.com".into(),
                port: 443,
                methods: Some(vec!["GET".into()]),
                path: Some("/api".into()),
                secret: Some("token".into()),
            }],
            lifetime: Some(Duration::from_secs(60)),
            labels: vec![("purpose".into(), "test".into())],
        },
    }
}

pub(crate) async fn all(output: Result<Output>) -> Vec<u8> {
    let mut bytes = Vec::new();
    output.unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// The error of what should have none of its answer.
pub(crate) fn refusal<T>(answer: Result<T>) -> Error {
    answer.err().unwrap_or_else(|| panic!("nobody refused it"))
}

pub(crate) fn invalid(why: &str) -> Error {
    Error::InvalidArgument(format!("snapshot: {why}"))
}

/// Bytes that are not all the same.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251).to_le_bytes()[0]).collect()
}
