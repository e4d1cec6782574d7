//! What must hold for any bytes that are brought as a snapshot. Used by the fuzz target and by an ordinary test.

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_sandbox::{Error, Output, SnapshotStore, Stored};
use mimobox_snapshots::{FolderStore, HEADER_LENGTH, Header, StoreLimits, Usage};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::runtime::{Builder, Runtime};

const LIMITS: StoreLimits = StoreLimits { bytes: 1 << 20, snapshots: 4, one: 1 << 20 };
const CHECKSUM: usize = HEADER_LENGTH - 32;

/// The store that the bytes are brought to.
struct Stand {
    runtime: Runtime,
    store: FolderStore,
    _folder: TempDir,
}

static STAND: LazyLock<Stand> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).expect("the folder");
    let store = FolderStore::open(dir, LIMITS).expect("a store");
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    Stand { runtime, store, _folder: folder }
});

/// Panics if `bytes`, as they are or with their digests put right, break the store or leave something behind; or if what
/// was taken in is not what comes out.
pub(crate) fn check(bytes: &[u8]) {
    check_file(bytes);
    // Nothing that was changed gets past the digests: behind them is more to try.
    check_file(&sealed(bytes.to_vec()));
}

fn check_file(bytes: &[u8]) {
    let header = Header::decode(bytes);
    if let Ok(header) = &header {
        assert_eq!(Some(&header.encode()[..]), bytes.get(..HEADER_LENGTH), "one header, two encodings");
    }
    let Stand { runtime, store, .. } = &*STAND;
    runtime.block_on(async {
        match store.import(stream(bytes)).await {
            Ok(stored) => {
                let header = header.expect("what was taken in has a header");
                assert_eq!(header.size(), bytes.len() as u64);
                let state = usize::try_from(header.state().offset).expect("it fits in memory");
                assert_eq!(all(stored.state().await).await, bytes[state..], "the state");
                check_taken_in(store, &stored).await;
                stored.delete().await.expect("it can be deleted");
            }
            Err(Error::InvalidArgument(_) | Error::LimitReached(_)) => {}
            Err(error) => panic!("{error}"),
        }
        let nothing = Usage { snapshots: 0, bytes: 0 };
        assert_eq!(store.usage().await, Ok(nothing), "something was left behind");
    });
}

/// What was taken in goes out again, and in again, as it was.
async fn check_taken_in(store: &FolderStore, stored: &Arc<dyn Stored>) {
    let record = stored.record();
    let asks = (&record.spec.environment, &record.spec.mounts, &record.spec.egress, &record.parent);
    assert_eq!(asks, (&vec![], &vec![], &vec![], &None), "a foreign record is believed");
    let exported = all(stored.export().await).await;
    let again = store.import(stream(&exported)).await.expect("what went out comes in");
    assert_eq!(all(again.export().await).await, exported);
    again.delete().await.expect("it can be deleted");
}

fn stream(bytes: &[u8]) -> Output {
    Box::pin(Cursor::new(bytes.to_vec()))
}

async fn all(output: Result<Output, Error>) -> Vec<u8> {
    let mut bytes = Vec::new();
    output.expect("it can be read").read_to_end(&mut bytes).await.expect("all of it can be read");
    bytes
}

/// Puts the digests right that cover `file`, as far as it has the parts for it.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    if file.len() < HEADER_LENGTH {
        return file;
    }
    for section in [32, 96] {
        let number = |at: usize| {
            let bytes = file[section + at..][..8].try_into().expect("eight bytes");
            usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let (offset, length) = (number(16), number(24));
        if let Some(part) = file.get(offset..offset.saturating_add(length)) {
            let digest = Sha256::digest(part);
            file[section + 32..][..32].copy_from_slice(&digest);
        }
    }
    let checksum = Sha256::digest(&file[..CHECKSUM]);
    file[CHECKSUM..HEADER_LENGTH].copy_from_slice(&checksum);
    file
}
