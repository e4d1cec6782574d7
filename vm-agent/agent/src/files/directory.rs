//! Directories: reading, making, renaming and removing.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use mimobox_protocol::{FileFailure, encode};

use super::entry::entry;
use super::failure::{Stop, not_renamed};

const MODE: u32 = 0o755;

/// Names the members one after another, so that a large directory takes no more memory than a small one. One whose name
/// cannot be said fails it: a list that is not whole would be taken for one that is.
pub(super) fn read(path: &Path, pipe: OwnedFd) -> Result<(), Stop> {
    let mut pipe = BufWriter::with_capacity(64 * 1024, File::from(pipe));
    for member in fs::read_dir(path)? {
        let member = member?;
        let name = member.file_name();
        let name = name.to_str().ok_or(FileFailure::NotUtf8)?;
        match member.metadata() {
            Ok(metadata) => pipe.write_all(&encode(&entry(name, &metadata))?)?,
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    pipe.flush()?;
    Ok(())
}

pub(super) fn make(path: &Path, parents: bool) -> Result<(), Stop> {
    Ok(DirBuilder::new().recursive(parents).mode(MODE).create(path)?)
}

pub(super) fn rename(source: &Path, target: &Path) -> Result<(), Stop> {
    fs::rename(source, target).map_err(not_renamed)
}

/// Removes what the path names, and never what a link there leads to.
pub(super) fn remove(path: &Path, recursive: bool) -> Result<(), Stop> {
    match path.components().next_back() {
        Some(Component::Normal(_)) => {}
        Some(Component::ParentDir) => return Err(FileFailure::InvalidPath.into()),
        _ => return Err(FileFailure::PermissionDenied.into()),
    }
    // Without a slash at the end, by which a link would be followed after all.
    let path: PathBuf = path.components().collect();
    if !fs::symlink_metadata(&path)?.is_dir() {
        return Ok(fs::remove_file(&path)?);
    }
    // By descriptors from here on: what is swapped for a link meanwhile is not followed.
    Ok(if recursive { fs::remove_dir_all(&path) } else { fs::remove_dir(&path) }?)
}
