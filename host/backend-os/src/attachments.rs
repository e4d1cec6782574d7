//! What of the host's a sandbox gets mounted: its image, and the operator's volumes. The host clones them, since only it may
//! clone its own mounts, and hands them over to the sandbox's users; the agent attaches them.

use std::os::fd::{AsFd, OwnedFd};

use mimobox_confine::{
    Access, Enforcement, IdRange, Mechanism, MountUsers, OwnershipError, Status, detach_mount, hand_over,
};
use mimobox_protocol::{SANDBOX_GID, SANDBOX_UID};
use nix::sys::stat::fstat;

use crate::config::Volume;
use crate::error::CreateError;

/// A detached mount, and whose its files are to be in the sandbox.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// As the operator calls it.
    name: String,
    mount: OwnedFd,
    owners: Owners,
}

/// Whose the files of a mount are in the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owners {
    /// Whose they are on the host: nobody's.
    Nobody,
    /// As the image numbers them.
    Image,
    /// The sandbox's default user's, as far as they are this user's and group's.
    Volume { user: u32, group: u32 },
}

impl Attachment {
    /// The root of an image, read-only.
    pub(crate) fn image(name: &str, root: OwnedFd) -> Result<Self, CreateError> {
        let mount = detach_mount(root.as_fd(), Access::ReadOnly, name).map_err(CreateError::CloneImage)?;
        Ok(Self { name: name.to_owned(), mount, owners: Owners::Image })
    }

    /// A volume. Whoever owns its directory owns what the sandbox writes there.
    pub(crate) fn volume(name: &str, volume: &Volume, read_only: bool) -> Result<Self, CreateError> {
        let access = match (read_only, volume.access) {
            (true, _) => Access::ReadOnly,
            (false, Access::ReadWrite) => Access::ReadWrite,
            (false, Access::ReadOnly) => return Err(CreateError::ReadOnlyVolume(name.to_owned())),
        };
        let directory = volume.directory.as_fd();
        let owners = match access {
            Access::ReadOnly => Owners::Nobody,
            Access::ReadWrite => {
                let status = fstat(directory).map_err(CreateError::LookAtVolume)?;
                Owners::Volume { user: status.st_uid, group: status.st_gid }
            }
        };
        let mount = detach_mount(directory, access, name).map_err(CreateError::CloneVolume)?;
        Ok(Self { name: name.to_owned(), mount, owners })
    }

    /// The mount, to be sent to the agent.
    pub(crate) fn mount(&self) -> &OwnedFd {
        &self.mount
    }

    /// Whom its files belong to, for a sandbox with the users `ids` whose agent is process `pid`.
    fn users(&self, ids: IdRange, pid: i32) -> Result<Option<MountUsers>, OwnershipError> {
        match self.owners {
            Owners::Nobody => Ok(None),
            Owners::Image => MountUsers::of_sandbox(pid).map(Some),
            Owners::Volume { user, group } => {
                let sandbox = (ids.base + SANDBOX_UID, ids.base + SANDBOX_GID);
                MountUsers::exchanging((user, group), sandbox).map(Some)
            }
        }
    }
}

/// Hands all of them over, and says what came of it. Where a file system can't, its files stay nobody's: commands may then do
/// with them what everybody may.
pub(crate) fn hand_over_all(
    attachments: &[Attachment],
    ids: IdRange,
    pid: i32,
) -> Result<Vec<Enforcement>, OwnershipError> {
    let mut lines = Vec::new();
    for attachment in attachments {
        let Some(users) = attachment.users(ids, pid)? else { continue };
        let mechanism = match attachment.owners {
            Owners::Image => Mechanism::RootFilesystem,
            Owners::Nobody | Owners::Volume { .. } => Mechanism::Volumes,
        };
        let name = &attachment.name;
        let handed = match attachment.owners {
            Owners::Image => "the image's users are the sandbox's".to_owned(),
            Owners::Nobody | Owners::Volume { .. } => {
                format!("{name} is the sandbox user's as it is its owner's")
            }
        };
        let line = match hand_over(attachment.mount.as_fd(), &users) {
            Ok(()) => Enforcement::enforced(mechanism, handed),
            Err(OwnershipError::Unsupported(errno)) => Enforcement::partial(
                mechanism,
                format!(
                    "{name} is not id-mapped, so its files are nobody's in the sandbox ({})",
                    errno.desc()
                ),
            ),
            Err(error) => return Err(error),
        };
        join(&mut lines, line);
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
