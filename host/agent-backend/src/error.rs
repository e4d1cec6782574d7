//! Why the agent did not do what it was asked to, in the domain's words.

use std::io;

use mimobox_agent_client::{
    ClientError, FileError, FileFailure, SignalError, SignalFailure, SpawnError, SpawnFailure,
};
use mimobox_sandbox::Error;
use nix::errno::Errno;

/// Why a command was not started, in the domain's words.
pub(crate) fn not_spawned(error: &SpawnError) -> Error {
    let failure = match error {
        SpawnError::Refused(failure) => failure,
        SpawnError::Client(error) => return unreachable(*error),
        SpawnError::Pipe(_) => return without_effect(error),
    };
    match failure {
        SpawnFailure::NotFound => Error::NotFound,
        SpawnFailure::PermissionDenied => Error::PermissionDenied,
        SpawnFailure::IsADirectory => Error::IsADirectory,
        SpawnFailure::NotExecutable => Error::invalid("program", "not in an executable format"),
        SpawnFailure::ArgumentsTooLong => Error::LimitReached("arguments".to_owned()),
        SpawnFailure::DirectoryNotFound => Error::invalid("directory", "not found"),
        SpawnFailure::UserNotFound => Error::invalid("user", "not found"),
        SpawnFailure::LimitReached => Error::LimitReached("processes".to_owned()),
        SpawnFailure::InvalidString => {
            Error::invalid("command", "a string holds what the kernel does not take")
        }
        SpawnFailure::Failed(_) => Error::failed(error),
    }
}

/// Why a signal was not delivered, in the domain's words.
pub(crate) fn not_signalled(error: &SignalError) -> Error {
    match error {
        SignalError::Refused(SignalFailure::NotFound) => Error::Gone,
        SignalError::Refused(SignalFailure::Failed(_)) => Error::failed(error),
        SignalError::Client(error) => unreachable(*error),
    }
}

/// Why the agent did not answer, in the domain's words.
pub(crate) fn unreachable(error: ClientError) -> Error {
    match error {
        ClientError::Gone => Error::Gone,
        ClientError::Unresponsive => Error::failed(&error),
    }
}

/// Why an operation was not done, in the domain's words.
///
/// An answer that makes no sense is the work of whoever got hold of the operation's process: that is no more than a command
/// may do to its own files, and the sandbox goes on.
pub(crate) fn refused(error: &FileError) -> Error {
    let failure = match error {
        FileError::Failed(failure) => failure,
        FileError::NotBegun(error) => return not_spawned(error),
        FileError::Client(error) => return unreachable(*error),
        FileError::TooLong(_) => return Error::LimitReached("entries of a directory".to_owned()),
        FileError::Read(_) | FileError::Malformed(_) | FileError::CutShort => return Error::Gone,
    };
    match failure {
        FileFailure::NotFound => Error::NotFound,
        FileFailure::AlreadyExists => Error::AlreadyExists,
        FileFailure::NotADirectory => Error::NotADirectory,
        FileFailure::IsADirectory => Error::IsADirectory,
        FileFailure::DirectoryNotEmpty => Error::DirectoryNotEmpty,
        FileFailure::PermissionDenied => Error::PermissionDenied,
        FileFailure::InvalidPath => Error::invalid("path", "too long, or its links go round"),
        FileFailure::NotAFile => Error::invalid("path", "not a regular file"),
        FileFailure::NotRenamable => {
            Error::invalid("target", "on another file system, or inside of what is renamed")
        }
        FileFailure::NotUtf8 => Error::invalid("path", "a name there is not UTF-8"),
        FileFailure::WrongLength => Error::invalid("length", "not as many bytes came"),
        FileFailure::DiskFull => Error::LimitReached("disk".to_owned()),
        FileFailure::LimitReached => Error::LimitReached("files or watches at once".to_owned()),
        FileFailure::ChangesLost => Error::LimitReached("changes that wait to be read".to_owned()),
        FileFailure::Killed => Error::Gone,
        // Said by the operation's own process, which a command may have got hold of: no reason to give the sandbox up.
        FileFailure::Failed => Error::invalid("path", "its file system does not do that"),
    }
}

/// What went wrong on the host's side before anything happened to a sandbox. A host that is out of descriptors may have some
/// in a moment: that poisons nothing.
pub fn without_effect(error: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref().and_then(io::Error::raw_os_error).map(Errno::from_raw);
        if let Some(Errno::EMFILE | Errno::ENFILE) = io.or_else(|| error.downcast_ref().copied()) {
            return Error::LimitReached("descriptors of the host".to_owned());
        }
        cause = error.source();
    }
    Error::failed(error)
}
