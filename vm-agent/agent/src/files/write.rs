//! Writing a regular file: in the place of an old one, or behind what it holds.

use std::fs::{self, OpenOptions, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mimobox_protocol::FileFailure;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SigSet};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{AccessFlags, access, read};

use super::copy::copy;
use super::failure::Stop;
use super::read::refuse_all_but_regular;
use super::temporary::Temporary;

/// Of the mode only these: a file made for the host gives nobody rights by being executed.
const MODE_BITS: u32 = 0o777;

/// Makes a file of what comes, whole or not at all.
pub(super) fn replace(path: &Path, mode: u32, length: Option<u64>, pipe: impl AsFd) -> Result<(), Stop> {
    // Held back, so that nothing is left lying about; `wait` looks out for them.
    let ends = SigSet::from_iter([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2]);
    ends.thread_block()?;
    let signals = SignalFd::with_flags(&ends, SfdFlags::SFD_CLOEXEC)?;
    let (target, old_mode) = target(path)?;
    let (Some(directory), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(FileFailure::IsADirectory.into());
    };
    let temporary = Temporary::new(directory)?;
    receive(&pipe, temporary.file(), length, || wait(&pipe, &signals))?;
    let mode = old_mode.unwrap_or(mode) & MODE_BITS;
    temporary.file().set_permissions(Permissions::from_mode(mode))?;
    Ok(temporary.publish(Path::new(name))?)
}

/// Puts what comes behind what is there, piece by piece: what has come stays, whatever happens.
pub(super) fn append(path: &Path, mode: u32, length: Option<u64>, pipe: impl AsFd) -> Result<(), Stop> {
    umask(Mode::empty());
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(mode & MODE_BITS)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    refuse_all_but_regular(&file)?;
    receive(&pipe, &file, length, || Ok(()))
}

/// What is to be replaced, behind all links, and the mode it has if it is there.
fn target(path: &Path) -> Result<(PathBuf, Option<u32>), Stop> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(FileFailure::IsADirectory.into());
    }
    match fs::symlink_metadata(path).map_err(Stop::from) {
        Ok(_) => {}
        Err(Stop::Failed(FileFailure::NotFound)) => return Ok((path.to_owned(), None)),
        Err(stop) => return Err(stop),
    }
    let target = fs::canonicalize(path)?;
    let metadata = fs::symlink_metadata(&target)?;
    match metadata.file_type() {
        kind if kind.is_file() => {}
        kind if kind.is_dir() => return Err(FileFailure::IsADirectory.into()),
        _ => return Err(FileFailure::NotAFile.into()),
    }
    // Replacing takes no right to write the file itself, but this stands for writing it.
    access(&target, AccessFlags::W_OK)?;
    Ok((target, Some(metadata.mode())))
}

/// Copies all that comes, which must be as much as was announced.
fn receive(
    pipe: impl AsFd,
    file: impl AsFd,
    length: Option<u64>,
    ready: impl Fn() -> Result<(), Stop>,
) -> Result<(), Stop> {
    let copied = copy(&pipe, file, length, &ready)?;
    let Some(length) = length else { return Ok(()) };
    // At the announced length one byte more is one too many.
    let ended = copied == length && {
        ready()?;
        read(&pipe, &mut [0])? == 0
    };
    if ended { Ok(()) } else { Err(FileFailure::WrongLength.into()) }
}

/// Waits until something comes, or the end, or a signal that would have ended this process.
fn wait(pipe: impl AsFd, signals: &SignalFd) -> Result<(), Stop> {
    let mut both =
        [PollFd::new(pipe.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    match both.map(|polled| polled.any().unwrap_or(true)) {
        [_, true] => Err(FileFailure::Killed.into()),
        [_, false] => Ok(()),
    }
}
