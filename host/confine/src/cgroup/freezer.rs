//! Stopping all processes of a group where they stand, and letting them go on.

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::control::ControlFiles;
use super::error::CgroupError;
use super::hierarchies::Version;

/// How long processes may take to stand still: one in the midst of a disk access does not stop at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// Version 1 tells nobody when it is done.
const PAUSE: Duration = Duration::from_millis(1);
/// Version 2 does, but an event could be missed.
const LONGEST_POLL: u8 = 100;

/// Stops them; blocks until all stand still.
pub(crate) fn freeze(files: &ControlFiles) -> Result<(), CgroupError> {
    match files.version() {
        Version::Two => files.write("cgroup.freeze", 1)?,
        Version::One => files.write("freezer.state", "FROZEN")?,
    }
    let deadline = Instant::now() + PATIENCE;
    while !is_frozen(files)? {
        if Instant::now() >= deadline {
            thaw(files)?;
            return Err(CgroupError::Freeze);
        }
        wait(files)?;
    }
    Ok(())
}

/// Lets them go on.
pub(crate) fn thaw(files: &ControlFiles) -> Result<(), CgroupError> {
    match files.version() {
        Version::Two => files.write("cgroup.freeze", 0),
        Version::One => files.write("freezer.state", "THAWED"),
    }
}

fn is_frozen(files: &ControlFiles) -> Result<bool, CgroupError> {
    match files.version() {
        Version::Two => Ok(files.read_keyed("cgroup.events", "frozen")? == 1),
        Version::One => Ok(files.read("freezer.state")?.trim() == "FROZEN"),
    }
}

fn wait(files: &ControlFiles) -> Result<(), CgroupError> {
    if files.version() == Version::One {
        thread::sleep(PAUSE);
        return Ok(());
    }
    let events = files.open("cgroup.events")?;
    let mut event = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
    match poll(&mut event, PollTimeout::from(LONGEST_POLL)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(CgroupError::Read { file: "cgroup.events", source: error.into() }),
    }
}
