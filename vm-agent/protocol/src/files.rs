//! Operations on files: what the host asks for, what comes back over the operation's pipe, and how it may fail.
//!
//! The agent does each operation in a process of its own, which runs as the sandbox's default user: it reaches what a
//! command would reach, and a slow or endless one holds up nobody. That process is signalled and ends like a command's;
//! its exit code says what came of the operation ([`outcome`]).

use serde::{Deserialize, Serialize};

use crate::ExitStatus;

/// What to do. Paths are absolute, and are the sandbox's: links in them lead nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileOperation {
    /// Write a regular file's bytes to the pipe.
    Read {
        /// Which.
        path: String,
        /// Where to begin, in bytes. At or past the end of the file there is nothing.
        offset: u64,
        /// How many bytes at most; to the end of the file where none.
        length: Option<u64>,
    },
    /// Make a file of the pipe's bytes: the old one is there until the last byte has come.
    Write {
        /// Which. Its directory must be there.
        path: String,
        /// Permission bits of a new file; those of an old one stay.
        mode: u32,
        /// How many bytes will come: fewer or more leave the old file as it was.
        length: Option<u64>,
        /// Put the bytes behind those that are there, one after another.
        append: bool,
    },
    /// Write one [`FileEntry`] to the pipe: of the link itself where the path ends in one.
    Stat {
        /// Of what.
        path: String,
    },
    /// Write a [`FileEntry`] for each member to the pipe, in no order.
    ReadDirectory {
        /// Which.
        path: String,
    },
    /// Make a directory.
    MakeDirectory {
        /// Where.
        path: String,
        /// Make those above it too, and do not mind if it is there.
        parents: bool,
    },
    /// Rename, replacing what is at `target`.
    Rename {
        /// From.
        source: String,
        /// To, on the same file system.
        target: String,
    },
    /// Remove a file, a link, or an empty directory.
    Remove {
        /// What.
        path: String,
        /// Remove all that is in a directory first.
        recursive: bool,
    },
    /// Write a [`WatchMessage`] to the pipe for each change, until killed.
    Watch {
        /// A file or directory.
        path: String,
        /// Watch all directories below it too, those to come among them.
        recursive: bool,
    },
}

/// Which way an operation's bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePipe {
    /// No pipe.
    None,
    /// The host writes, the agent reads.
    ToAgent,
    /// The agent writes, the host reads.
    FromAgent,
}

impl FileOperation {
    /// Which pipe travels with it.
    #[must_use]
    pub fn pipe(&self) -> FilePipe {
        match self {
            Self::Write { .. } => FilePipe::ToAgent,
            Self::Read { .. } | Self::Stat { .. } | Self::ReadDirectory { .. } | Self::Watch { .. } => {
                FilePipe::FromAgent
            }
            Self::MakeDirectory { .. } | Self::Rename { .. } | Self::Remove { .. } => FilePipe::None,
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    SymbolicLink,
    /// A device, a pipe or a socket.
    Other,
}

/// What is known of a file: inode(7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// When its bytes last changed, in seconds since the Unix epoch.
    pub modified_seconds: u64,
    /// And nanoseconds of that second.
    pub modified_nanoseconds: u32,
}

/// What a watch says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchMessage {
    /// Every change from here on is seen. Always the first message.
    Ready,
    /// Something changed.
    Changed {
        /// Absolute.
        path: String,
        /// How.
        kind: ChangeKind,
    },
}

/// How a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// It was made, or moved here from elsewhere.
    Created,
    /// Its bytes or its permissions changed.
    Modified,
    /// It was removed, or moved away.
    Removed,
    /// It has a new name, which this is.
    Renamed,
}

/// Why an operation on files was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFailure {
    /// No such file, or a link on the way leads nowhere.
    #[error("failed to find the file")]
    NotFound,
    /// What should be made is there already.
    #[error("failed to make the file: it is there already")]
    AlreadyExists,
    /// A part of the path is not a directory.
    #[error("failed to follow the path: not a directory")]
    NotADirectory,
    /// A directory, where a file was asked for.
    #[error("failed to use the file: it is a directory")]
    IsADirectory,
    /// A directory that still holds something.
    #[error("failed to remove the directory: not empty")]
    DirectoryNotEmpty,
    /// The sandbox's user may not.
    #[error("failed to use the file: permission denied")]
    PermissionDenied,
    /// The path is not absolute, too long, holds a NUL, or goes round in links.
    #[error("failed to follow the path: it makes no sense")]
    InvalidPath,
    /// Neither a regular file nor what the operation takes besides.
    #[error("failed to use the file: not a regular file")]
    NotAFile,
    /// From one file system to another, or a directory into itself.
    #[error("failed to rename: the target cannot be reached by renaming")]
    NotRenamable,
    /// A name is not UTF-8, and so cannot be said.
    #[error("failed to name a file: its name is not UTF-8")]
    NotUtf8,
    /// The bytes that came were not as many as announced.
    #[error("failed to write: not as many bytes as announced")]
    WrongLength,
    /// The disk is full, or a quota is used up.
    #[error("failed to write: the disk is full")]
    DiskFull,
    /// Too many watches, descriptors or directories.
    #[error("failed to go on: a limit is reached")]
    LimitReached,
    /// More changes than could be told.
    #[error("failed to watch: changes were lost")]
    ChangesLost,
    /// It was killed.
    #[error("failed to finish: killed")]
    Killed,
    /// Anything else.
    #[error("failed for another reason")]
    Failed,
}

/// In the order of their exit codes, from [`FIRST_CODE`] on. What may be said by a code; [`FileFailure::Killed`] is said
/// by a signal.
const CODES: [FileFailure; 15] = [
    FileFailure::NotFound,
    FileFailure::AlreadyExists,
    FileFailure::NotADirectory,
    FileFailure::IsADirectory,
    FileFailure::DirectoryNotEmpty,
    FileFailure::PermissionDenied,
    FileFailure::InvalidPath,
    FileFailure::NotAFile,
    FileFailure::NotRenamable,
    FileFailure::NotUtf8,
    FileFailure::WrongLength,
    FileFailure::DiskFull,
    FileFailure::LimitReached,
    FileFailure::ChangesLost,
    FileFailure::Failed,
];

/// Away from the codes that a crash gives.
const FIRST_CODE: u8 = 64;

impl FileFailure {
    /// The exit code that says so.
    #[must_use]
    pub fn code(self) -> u8 {
        (FIRST_CODE..).zip(CODES).find(|(_, failure)| *failure == self).map_or(u8::MAX, |(code, _)| code)
    }
}

/// What came of an operation whose process ended like this.
///
/// # Errors
/// The failure that its exit code says; an unknown one is [`FileFailure::Failed`].
pub fn outcome(status: ExitStatus) -> Result<(), FileFailure> {
    match status {
        ExitStatus::Exited(0) => Ok(()),
        ExitStatus::Exited(code) => {
            let place = code.checked_sub(FIRST_CODE).map(usize::from);
            Err(place.and_then(|place| CODES.get(place)).copied().unwrap_or(FileFailure::Failed))
        }
        ExitStatus::Signaled(_) => Err(FileFailure::Killed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_survives_its_exit_code() {
        for failure in CODES {
            assert_eq!(outcome(ExitStatus::Exited(failure.code())), Err(failure));
        }
    }

    #[test]
    fn an_unknown_exit_code_is_a_failure() {
        for code in [1, 63, 79, 101, 255] {
            assert_eq!(outcome(ExitStatus::Exited(code)), Err(FileFailure::Failed), "{code}");
        }
        assert_eq!(outcome(ExitStatus::Signaled(9)), Err(FileFailure::Killed));
    }
}
