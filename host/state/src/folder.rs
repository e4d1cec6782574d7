//! The user's two folders: state, which holds the audit log, the images and the snapshots, and cache, which holds compiled
//! components.
//!
//! Whoever can write to the state folder can forge the log and change what sandboxes run. So it is made with 0700, opened
//! once, and refused if it is not the user's own or others may write to it; from there on it is used through its handle,
//! never by its path again. The cache is the component crate's to open, by the same rules.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};

const FOLDER: &str = "mimobox-host";
const IMAGES: &str = "images";
const SNAPSHOTS: &str = "snapshots";
const OWNER_ONLY: u32 = 0o700;
pub(crate) const OTHERS_WRITE: u32 = 0o022;

/// A folder that only this user can change.
#[derive(Debug)]
pub struct PrivateFolder {
    /// For messages alone.
    pub path: PathBuf,
    /// The folder.
    pub dir: Dir,
}

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Nothing says where it would be.
    #[error("no folder for {what}: set HOME or {variable} to an absolute path")]
    Nowhere {
        /// What should be in it.
        what: &'static str,
        /// The variable that would say.
        variable: &'static str,
    },
    /// It could not be made.
    #[error("failed to make the folder {path}", path = .path.display())]
    Make {
        /// Where it would be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be opened.
    #[error("failed to open the folder {path}", path = .path.display())]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is somebody else's.
    #[error("the folder {path} belongs to user {owner}, not to the one who runs this host", path = .path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// Whose: a user's number.
        owner: u32,
    },
    /// Others may write to it.
    #[error("others may write to the folder {path} (mode {mode:o}): take that right away with chmod go-w", path = .path.display())]
    Shared {
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Opens the state folder: `$XDG_STATE_HOME/mimobox-host`, or `~/.local/state/mimobox-host` (XDG Base Directory
/// Specification).
pub(crate) fn open() -> Result<PrivateFolder, FolderError> {
    open_private(place("its state", "XDG_STATE_HOME", ".local/state")?)
}

/// Opens the folder of the images, in the state folder.
///
/// # Errors
/// Each variant of [`FolderError`].
pub fn images() -> Result<PrivateFolder, FolderError> {
    // By its path: the state folder is nobody else's, which opening it makes sure of.
    open().and_then(|state| open_private(state.path.join(IMAGES)))
}

/// Opens the folder of the snapshots, in the state folder.
///
/// # Errors
/// Each variant of [`FolderError`].
pub fn snapshots() -> Result<PrivateFolder, FolderError> {
    open().and_then(|state| open_private(state.path.join(SNAPSHOTS)))
}

/// Where the cache folder is: `$XDG_CACHE_HOME/mimobox-host`, or `~/.cache/mimobox-host`.
///
/// # Errors
/// `Nowhere`.
pub fn cache() -> Result<PathBuf, FolderError> {
    place("its cache", "XDG_CACHE_HOME", ".cache")
}

fn place(what: &'static str, variable: &'static str, below_home: &str) -> Result<PathBuf, FolderError> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|folder| folder.join(FOLDER))
        .ok_or(FolderError::Nowhere { what, variable })
}

/// Opens a folder, made if it is not there, that only this user can change.
pub(crate) fn open_private(path: PathBuf) -> Result<PrivateFolder, FolderError> {
    make(&path).map_err(|source| FolderError::Make { path: path.clone(), source })?;
    let opened =
        Dir::open_ambient_dir(&path, ambient_authority()).and_then(|dir| Ok((dir.dir_metadata()?, dir)));
    let (metadata, dir) = opened.map_err(|source| FolderError::Open { path: path.clone(), source })?;
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        return Err(FolderError::Foreign { path, owner: metadata.uid() });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        return Err(FolderError::Shared { path, mode });
    }
    Ok(PrivateFolder { path, dir })
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(OWNER_ONLY).create(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_made_for_its_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = open_private(parent.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(&folder.path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        assert!(open_private(folder.path).is_ok(), "and is opened again");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(
            open_private(folder.path().to_owned()),
            Err(FolderError::Shared { mode: 0o770, .. })
        ));
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(open_private(file.path().to_owned()), Err(FolderError::Make { .. })));
    }
}
