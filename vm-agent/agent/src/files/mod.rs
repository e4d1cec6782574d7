//! Operations on files, as the processes that `worker` starts for them do them.
//!
//! The kernel resolves every path, in the sandbox's own root and with the rights of the sandbox's user: a link may lead
//! anywhere that a command may go, and nowhere else.

mod copy;
mod directory;
mod entry;
mod failure;
mod read;
mod temporary;
mod watch;
mod write;

use std::os::fd::OwnedFd;
use std::path::Path;

use mimobox_protocol::{FileFailure, FileOperation};

use failure::Stop;

/// Does an operation. A host that reads no more has what it wants.
pub(crate) fn perform(operation: &FileOperation, pipe: Option<OwnedFd>) -> Result<(), FileFailure> {
    match attempt(operation, pipe) {
        Ok(()) | Err(Stop::NobodyReads) => Ok(()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

fn attempt(operation: &FileOperation, pipe: Option<OwnedFd>) -> Result<(), Stop> {
    let pipe = || pipe.ok_or(Stop::Failed(FileFailure::Failed));
    match operation {
        FileOperation::Read { path, offset, length } => {
            read::read(absolute(path)?, *offset, *length, &pipe()?)
        }
        FileOperation::Write { path, mode, length, append: false } => {
            write::replace(absolute(path)?, *mode, *length, &pipe()?)
        }
        FileOperation::Write { path, mode, length, append: true } => {
            write::append(absolute(path)?, *mode, *length, &pipe()?)
        }
        FileOperation::Stat { path } => entry::stat(absolute(path)?, pipe()?),
        FileOperation::ReadDirectory { path } => directory::read(absolute(path)?, pipe()?),
        FileOperation::MakeDirectory { path, parents } => directory::make(absolute(path)?, *parents),
        FileOperation::Rename { source, target } => directory::rename(absolute(source)?, absolute(target)?),
        FileOperation::Remove { path, recursive } => directory::remove(absolute(path)?, *recursive),
        FileOperation::Watch { path, recursive } => watch::watch(absolute(path)?, *recursive, pipe()?),
    }
}

/// The path, if it says where to begin and has no NUL.
fn absolute(path: &str) -> Result<&Path, Stop> {
    if path.starts_with('/') && !path.contains('\0') {
        Ok(Path::new(path))
    } else {
        Err(Stop::Failed(FileFailure::InvalidPath))
    }
}
