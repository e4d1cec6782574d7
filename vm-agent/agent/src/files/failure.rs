//! What the kernel's errors mean for an operation on files. Here and nowhere else.

use std::io;

use mimobox_protocol::{EncodeError, FileFailure};
use nix::errno::Errno;

/// Why an operation goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Failed(FileFailure),
    /// The host has closed its end of the pipe.
    NobodyReads,
}

impl From<FileFailure> for Stop {
    fn from(failure: FileFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        match errno {
            // Of a pipe only, and there is but one.
            Errno::EPIPE => Self::NobodyReads,
            errno => Self::Failed(failure(errno)),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        error
            .raw_os_error()
            .map_or(Self::Failed(FileFailure::Failed), |number| Errno::from_raw(number).into())
    }
}

impl From<EncodeError> for Stop {
    fn from(_: EncodeError) -> Self {
        Self::Failed(FileFailure::Failed)
    }
}

fn failure(errno: Errno) -> FileFailure {
    match errno {
        Errno::ENOENT => FileFailure::NotFound,
        Errno::EEXIST => FileFailure::AlreadyExists,
        Errno::ENOTDIR => FileFailure::NotADirectory,
        Errno::EISDIR => FileFailure::IsADirectory,
        Errno::ENOTEMPTY => FileFailure::DirectoryNotEmpty,
        // A mount point and a running program are not to be changed either.
        Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::EBUSY | Errno::ETXTBSY => {
            FileFailure::PermissionDenied
        }
        Errno::ENAMETOOLONG | Errno::ELOOP => FileFailure::InvalidPath,
        // A socket, a device that is not there, or one that is no place to seek in.
        Errno::ENXIO | Errno::ENODEV | Errno::ESPIPE => FileFailure::NotAFile,
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => FileFailure::DiskFull,
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EMLINK | Errno::EAGAIN => {
            FileFailure::LimitReached
        }
        _ => FileFailure::Failed,
    }
}

/// Of renaming alone.
pub(super) fn not_renamed(error: io::Error) -> Stop {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EXDEV | Errno::EINVAL) => FileFailure::NotRenamable.into(),
        _ => error.into(),
    }
}

/// Of adding a watch alone, where it is the watches that are used up.
pub(super) fn not_watched(errno: Errno) -> Stop {
    match errno {
        Errno::ENOSPC => FileFailure::LimitReached.into(),
        errno => errno.into(),
    }
}
