//! Where compiled code is kept between runs.
//!
//! Wasmtime maps what it finds there as code of this process: whoever can write to the folder can run code as the host.
//! So it is made for its owner alone, and one that others can write to is refused.
//!
//! It is a folder of wasmtime's own inside the one that the embedder names: wasmtime takes whatever else it finds there for
//! rubbish, and deletes it when it cleans up.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

/// Wasmtime's own, in the embedder's folder.
const FOLDER: &str = "compiled";
/// Read, write and search, for the owner alone.
const PRIVATE: u32 = 0o700;
/// The permission bits by which a group and everybody else may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why compiled code cannot be kept in a folder.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It is not there and could not be made.
    #[error("failed to make the folder {path:?} for compiled code")]
    Make {
        /// As the embedder gave it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its owner and permissions could not be read.
    #[error("failed to look at the folder {path:?} for compiled code")]
    Look {
        /// As the embedder gave it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no folder.
    #[error("{path:?}, where compiled code should be kept, is not a folder")]
    NotAFolder {
        /// As the embedder gave it.
        path: PathBuf,
    },
    /// Somebody else could put code there, which this host would then run.
    #[error(
        "the folder {path:?} for compiled code can be written by others than its owner, or is not this user's"
    )]
    WritableByOthers {
        /// As the embedder gave it.
        path: PathBuf,
    },
    /// Wasmtime does not take it.
    #[error("failed to open the cache of compiled code: {cause}")]
    Open {
        /// What wasmtime said.
        cause: wasmtime::Error,
    },
}

/// The cache in a folder below `parent`. Both are made if they are not there.
pub(crate) fn open(parent: &Path) -> Result<Cache, CacheError> {
    let parent = private(parent)?;
    let mut config = CacheConfig::new();
    config.with_directory(private(&parent.join(FOLDER))?);
    Cache::new(config).map_err(|cause| CacheError::Open { cause })
}

/// `folder`, resolved: made if it is not there, and refused if others can write to it.
fn private(folder: &Path) -> Result<PathBuf, CacheError> {
    let path = || folder.to_owned();
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE)
        .create(folder)
        .map_err(|source| CacheError::Make { path: path(), source })?;
    // Resolved once, so that the folder that is checked is the folder that is used.
    let folder = fs::canonicalize(folder).map_err(|source| CacheError::Look { path: path(), source })?;
    let metadata =
        fs::symlink_metadata(&folder).map_err(|source| CacheError::Look { path: path(), source })?;
    if !metadata.is_dir() {
        return Err(CacheError::NotAFolder { path: path() });
    }
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 || !is_own {
        return Err(CacheError::WritableByOthers { path: path() });
    }
    Ok(folder)
}
