//! Reading a regular file.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use mimobox_protocol::FileFailure;

use super::copy::copy;
use super::failure::Stop;

pub(super) fn read(path: &Path, offset: u64, length: Option<u64>, pipe: impl AsFd) -> Result<(), Stop> {
    // A fifo without a writer would block, and a terminal become this process's.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    refuse_all_but_regular(&file)?;
    if offset > 0 {
        file.seek(SeekFrom::Start(offset))?;
    }
    copy(&file, pipe, length, || Ok::<(), Stop>(())).map(drop)
}

/// What is not a regular file has no bytes of its own to read or replace.
pub(super) fn refuse_all_but_regular(file: &File) -> Result<(), Stop> {
    match file.metadata()?.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(FileFailure::IsADirectory.into()),
        _ => Err(FileFailure::NotAFile.into()),
    }
}
