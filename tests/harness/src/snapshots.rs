//! A store of snapshots, in a folder that goes with it.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_snapshots::{FolderStore, StoreLimits};
use tempfile::TempDir;

/// A store with the usual limits, and its folder.
pub fn snapshots() -> (TempDir, FolderStore) {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    (folder, FolderStore::open(dir, StoreLimits::default()).unwrap())
}
