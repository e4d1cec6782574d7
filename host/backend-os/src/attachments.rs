//! What of the host's a sandbox gets mounted: its image, and the operator's volumes.
//!
//! Root's host clones them itself and hands them over to the sandbox's users; the agent attaches them. An ordinary user's host
//! may clone nothing, so the agent clones its own copy of the host's mounts, and hands nothing over: the sandbox's default
//! user is the caller then, and has what is hers.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mimobox_confine::{
    Access, Enforcement, IdMap, IdRange, Mechanism, MountUsers, OwnershipError, Status, detach_mount,
    hand_over,
};
use mimobox_protocol::{SANDBOX_GID, SANDBOX_UID};
use nix::sys::stat::fstat;

use crate::config::Volume;
use crate::error::CreateError;
use crate::plan::Source;
use crate::standing::Standing;

/// Something to attach, and whose its files are to be in the sandbox.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// As the operator calls it.
    name: String,
    /// A detached mount, or a directory for the agent to clone a mount of.
    handle: OwnedFd,
    /// Where that directory is.
    source: Option<Source>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Its users are to be the sandbox's.
    Image,
    /// Its files stay whose they are: nobody's.
    ReadOnlyVolume,
    /// What belongs to this user and group, who own the directory, is to be the sandbox's default user's.
    WritableVolume { user: u32, group: u32 },
}

impl Attachment {
    /// The root of an image, read-only.
    pub(crate) fn image(name: &str, root: &OwnedFd, standing: &Standing) -> Result<Self, CreateError> {
        Self::of(name, root.as_fd(), Access::ReadOnly, Kind::Image, standing)
    }

    /// A volume. Whoever owns its directory owns what the sandbox writes there.
    pub(crate) fn volume(
        name: &str,
        volume: &Volume,
        read_only: bool,
        standing: &Standing,
    ) -> Result<Self, CreateError> {
        let directory = volume.directory.as_fd();
        if read_only {
            return Self::of(name, directory, Access::ReadOnly, Kind::ReadOnlyVolume, standing);
        }
        if volume.access == Access::ReadOnly {
            return Err(CreateError::ReadOnlyVolume(name.to_owned()));
        }
        let status = fstat(directory).map_err(CreateError::LookAtVolume)?;
        let kind = Kind::WritableVolume { user: status.st_uid, group: status.st_gid };
        Self::of(name, directory, Access::ReadWrite, kind, standing)
    }

    fn of(
        name: &str,
        directory: BorrowedFd<'_>,
        access: Access,
        kind: Kind,
        standing: &Standing,
    ) -> Result<Self, CreateError> {
        let (handle, source) = if standing.clones_mounts() {
            (detach_mount(directory, access, name).map_err(CreateError::CloneMount)?, None)
        } else {
            let failed = |source| CreateError::FindDirectory(name.to_owned(), source);
            let path = path_of(directory).map_err(failed)?;
            let handle = directory.try_clone_to_owned().map_err(failed)?;
            (handle, Some(Source { path, writable: access == Access::ReadWrite }))
        };
        Ok(Self { name: name.to_owned(), handle, source, kind })
    }

    /// What is sent to the agent.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Where the agent is to clone it, unless the host has.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    fn mechanism(&self) -> Mechanism {
        match self.kind {
            Kind::Image => Mechanism::RootFilesystem,
            Kind::ReadOnlyVolume | Kind::WritableVolume { .. } => Mechanism::Volumes,
        }
    }

    /// Hands it over to the sandbox's users; nothing to say where it stays whose it is. Where its file system can't, its files
    /// are nobody's: commands may then do with them what everybody may.
    fn hand_over(&self, ids: IdRange, pid: i32) -> Result<Option<Enforcement>, OwnershipError> {
        let users = match self.kind {
            Kind::ReadOnlyVolume => return Ok(None),
            Kind::Image => MountUsers::of_sandbox(pid)?,
            Kind::WritableVolume { user, group } => {
                let sandbox = (ids.base + SANDBOX_UID, ids.base + SANDBOX_GID);
                MountUsers::exchanging((user, group), sandbox)?
            }
        };
        let name = &self.name;
        let line = match hand_over(self.handle(), &users) {
            Ok(()) => {
                let detail = match self.kind {
                    Kind::Image => "the image's users are the sandbox's".to_owned(),
                    _ => format!("{name} is the sandbox user's as it is its owner's"),
                };
                Enforcement::enforced(self.mechanism(), detail)
            }
            Err(OwnershipError::Unsupported(errno)) => Enforcement::partial(
                self.mechanism(),
                format!(
                    "{name} is not id-mapped, so its files are nobody's in the sandbox ({})",
                    errno.desc()
                ),
            ),
            Err(error) => return Err(error),
        };
        Ok(Some(line))
    }

    /// What an ordinary user has of it.
    fn as_it_is(&self) -> Enforcement {
        let name = &self.name;
        let detail = match self.kind {
            Kind::Image => "the image's files belong to the sandbox's user, whoever packed them".to_owned(),
            _ => format!("{name} is used by the sandbox's user as if by this host's"),
        };
        Enforcement::partial(self.mechanism(), detail)
    }
}

/// Hands all of them over, and says what came of it.
pub(crate) fn hand_over_all(
    attachments: &[Attachment],
    map: &IdMap,
    pid: i32,
) -> Result<Vec<Enforcement>, OwnershipError> {
    let mut lines = Vec::new();
    for attachment in attachments {
        let line = match map {
            IdMap::Range(ids) => attachment.hand_over(*ids, pid)?,
            IdMap::Subordinates(..) | IdMap::Alone(..) => Some(attachment.as_it_is()),
        };
        line.into_iter().for_each(|line| join(&mut lines, line));
    }
    Ok(lines)
}

/// Adds a line to a report. Where its mechanism is in it already, the weaker status counts, and both details do.
pub(crate) fn join(lines: &mut Vec<Enforcement>, line: Enforcement) {
    match lines.iter_mut().find(|known| known.mechanism == line.mechanism) {
        Some(known) => {
            if line.status == Status::Partial {
                known.status = Status::Partial;
            }
            known.detail = [known.detail.as_str(), line.detail.as_str()].join("; ");
        }
        None => lines.push(line),
    }
}

/// Where an open directory is now. The agent looks whether it still is.
fn path_of(directory: BorrowedFd<'_>) -> io::Result<String> {
    let path = fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()))?;
    path.into_os_string().into_string().map_err(|_| io::ErrorKind::InvalidFilename.into())
}
