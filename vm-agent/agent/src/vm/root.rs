//! The machine's root: an overlay, whose lower layer is the base image or the image of a disk, and whose upper one is memory.
//!
//! ```text
//!   /run (tmpfs, of the size that was asked for)         the sandbox's root
//!     upper   what is written  ─────────────────┐
//!     work    the overlay's own                 ├──► root ──► /
//!   /, or lower on the stage: read-only EROFS ──┘      ├── dev, proc   as `init` made them
//!                                                      └── volumes     read-only EROFS
//! ```
//!
//! What is made in it is what an OS sandbox of the same image has, by the same steps ([`mimobox_confine::apply`]); they heed
//! that images are strangers' work.

use std::fmt::Display;
use std::os::fd::OwnedFd;

use mimobox_confine::{Account, Failure, Owner, Plan, Step, apply};
use mimobox_protocol::{MachineRoot, SANDBOX_GID, SANDBOX_HOME, SANDBOX_NAME, SANDBOX_UID, SetUp};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::unistd::chdir;
use rustix::mount::{MountAttrFlags, MoveMountFlags, move_mount};

use super::disk;
use super::init::{Fittings, LOWER, ROOT, STAGE, UPPER, WORK};

/// The root was not made, or not entered.
#[derive(Debug, thiserror::Error)]
pub(super) enum RootError {
    #[error("failed to accept the path {0}")]
    Path(String),
    #[error("failed to size what is written to")]
    Size(#[source] Errno),
    #[error("failed to mount the image")]
    Image(#[source] Errno),
    #[error("failed to mount the overlay")]
    Overlay(#[source] Errno),
    #[error("failed to keep hold of what is written")]
    Upper(#[source] Errno),
    #[error("failed to go to the new root")]
    Stage(#[source] Errno),
    #[error("failed to mount volume {place}: {cause}")]
    Volume { place: u8, cause: String },
    #[error("failed to make or enter the root: {0}")]
    Step(Failure),
}

/// Makes the root and enters it, with every process whose root was the old one. What is written goes to the directory that is
/// handed back, to which no path leads.
pub(super) fn enter(set_up: &SetUp, fittings: Fittings) -> Result<OwnedFd, RootError> {
    for volume in &set_up.volumes {
        if !is_plain(&volume.path) {
            return Err(RootError::Path(volume.path.clone()));
        }
    }
    let none: Option<&str> = None;
    let size = format!("size={},mode=0755", set_up.writable);
    mount(none, STAGE, none, MsFlags::MS_REMOUNT, Some(size.as_str())).map_err(RootError::Size)?;
    let lower = match set_up.root {
        MachineRoot::Base => "/",
        MachineRoot::Disk(disk) => {
            mount_image(disk).map_err(RootError::Image)?;
            LOWER
        }
    };
    let options = format!("lowerdir={lower},upperdir={UPPER},workdir={WORK},userxattr");
    mount(Some("mimobox"), ROOT, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(RootError::Overlay)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let upper = open(UPPER, flags, Mode::empty()).map_err(RootError::Upper)?;
    let mounts = mounts(set_up, fittings)?;
    chdir(ROOT).map_err(RootError::Stage)?;
    fit_out(set_up, mounts)?;
    Ok(upper)
}

fn mount_image(disk: u8) -> Result<(), Errno> {
    let image = disk::mount(disk, MountAttrFlags::empty())?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&image, "", rustix::fs::CWD, LOWER, flags)
        .map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}

/// What is to be attached, in the order of [`fit_out`]: `/proc`, `/dev`, the volumes.
fn mounts(set_up: &SetUp, fittings: Fittings) -> Result<Vec<OwnedFd>, RootError> {
    let harmless = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mut mounts = vec![fittings.processes, fittings.devices];
    for (place, volume) in (0..).zip(&set_up.volumes) {
        let mounted = disk::mount(volume.disk, harmless);
        mounts.push(mounted.map_err(|errno| failed_volume(place, &errno))?);
    }
    Ok(mounts)
}

/// Carries out what is left in the new root, which is the working directory, and makes it the root.
fn fit_out(set_up: &SetUp, mounts: Vec<OwnedFd>) -> Result<(), RootError> {
    let mut steps = match set_up.root {
        // It has all of it.
        MachineRoot::Base => Vec::new(),
        MachineRoot::Disk(_) => contents(&set_up.host_name),
    };
    let before = steps.len();
    let fittings = ["/proc", "/dev"];
    let places = fittings.into_iter().chain(set_up.volumes.iter().map(|volume| volume.path.as_str()));
    steps.extend(
        (0..).zip(places).map(|(descriptor, path)| Step::Volume { descriptor, path: path.to_owned() }),
    );
    steps.push(Step::EnterRoot);
    let Some(failure) = apply(&Plan { steps }, mounts).report.failure else { return Ok(()) };
    let volume = usize::try_from(failure.place)
        .ok()
        .and_then(|place| place.checked_sub(before + fittings.len()))
        .filter(|place| *place < set_up.volumes.len())
        .and_then(|place| u8::try_from(place).ok());
    Err(match volume {
        Some(place) => failed_volume(place, &failure.cause),
        None => RootError::Step(failure),
    })
}

fn failed_volume(place: u8, cause: &dyn Display) -> RootError {
    RootError::Volume { place, cause: cause.to_string() }
}

/// What every sandbox has whether its image brings it or not.
fn contents(host_name: &str) -> Vec<Step> {
    let ensure = |path: &str, mode, user, group| Step::Ensure {
        path: path.to_owned(),
        mode,
        owner: Owner { user, group },
    };
    let account = |path: &str, line| Step::Account(Account { path: path.to_owned(), line });
    let replace = |path: &str, contents: String| Step::Replace {
        path: path.to_owned(),
        contents: contents.into_bytes(),
    };
    vec![
        ensure("/tmp", 0o1777, 0, 0),
        ensure(SANDBOX_HOME, 0o755, SANDBOX_UID, SANDBOX_GID),
        account(
            "/etc/passwd",
            format!("{SANDBOX_NAME}:x:{SANDBOX_UID}:{SANDBOX_GID}:sandbox:{SANDBOX_HOME}:/bin/sh"),
        ),
        account("/etc/group", format!("{SANDBOX_NAME}:x:{SANDBOX_GID}:")),
        replace("/etc/hosts", format!("127.0.0.1 localhost {host_name}\n")),
        replace("/etc/hostname", format!("{host_name}\n")),
        // There is no name server to ask.
        replace("/etc/resolv.conf", String::new()),
    ]
}

/// Whether a path is absolute and leads nowhere but down.
fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|inside| {
        !inside.is_empty()
            && !inside.contains('\0')
            && inside.split('/').all(|part| !["", ".", ".."].contains(&part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_absolute_and_plain_path_takes_a_volume() {
        for path in ["/data", "/mnt/a b/é"] {
            assert!(is_plain(path), "{path}");
        }
        for path in ["", "/", "data", "/data/", "//data", "/a/../b", "/./a", "/a\0b"] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
