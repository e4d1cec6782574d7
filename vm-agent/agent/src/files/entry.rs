//! What is known of a file, as the host is told.

use std::fs::{self, Metadata};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mimobox_protocol::{FileEntry, FileFailure, FileKind, encode};

use super::failure::Stop;

/// Permission bits, with set-user-ID, set-group-ID and sticky: inode(7).
const MODE_BITS: u32 = 0o7777;

pub(super) fn stat(path: &Path, pipe: OwnedFd) -> Result<(), Stop> {
    let metadata = fs::symlink_metadata(path)?;
    // The root has no name, nor has what a path ends in `..` for.
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_str().ok_or(FileFailure::NotUtf8)?;
    fs::File::from(pipe).write_all(&encode(&entry(name, &metadata))?)?;
    Ok(())
}

pub(super) fn entry(name: &str, metadata: &Metadata) -> FileEntry {
    FileEntry {
        name: name.to_owned(),
        kind: kind(metadata),
        size: metadata.size(),
        mode: metadata.mode() & MODE_BITS,
        // A time before 1970 is nobody's.
        modified_seconds: u64::try_from(metadata.mtime()).unwrap_or(0),
        modified_nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
    }
}

fn kind(metadata: &Metadata) -> FileKind {
    match metadata.file_type() {
        kind if kind.is_file() => FileKind::File,
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_symlink() => FileKind::SymbolicLink,
        _ => FileKind::Other,
    }
}
