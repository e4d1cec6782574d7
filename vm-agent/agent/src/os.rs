//! Start-up in an OS sandbox: takes the host's plan, carries it out on this process, and reports.
//!
//! This happens on the connection before the protocol begins: the plan comes as one message, with the mounts that it names
//! as descriptors, and the report goes back as one. The plan's coming also says that the host has mapped this process's
//! users and put it under its limits.

#![allow(unsafe_code, reason = "descriptors that came with a message are owned by nobody yet")]

use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use mimobox_confine::channel::{self, ChannelError, HEADER};
use mimobox_confine::{Applied, Failure, Plan, apply};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::identity::Identity;

/// Most mounts that come with a plan: a sandbox's volumes, and its image.
const MAX_MOUNTS: usize = 65;

/// Why the plan was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("failed to receive the plan")]
    Receive(#[source] Errno),
    #[error("failed to receive the plan: the host has gone")]
    Closed,
    #[error("failed to receive the plan's mounts: too many")]
    TooManyMounts,
    #[error("failed to receive the plan")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("failed to report")]
    Report(#[source] io::Error),
    #[error("failed to carry out the plan: {0}")]
    Failed(Failure),
}

/// Receives a plan on `socket` (blocking), carries it out, reports, and says as whom commands run and where what they write
/// over their image is.
pub(crate) fn start(mut socket: &UnixStream) -> Result<(Identity, Option<OwnedFd>), StartError> {
    let (plan, mounts) = receive(socket)?;
    let Applied { report, upper } = apply(&plan, mounts);
    socket.write_all(&channel::encode(&report)?).map_err(StartError::Report)?;
    match report.failure {
        None => Ok((Identity::in_sandbox(), upper)),
        Some(failure) => Err(StartError::Failed(failure)),
    }
}

fn receive(mut socket: &UnixStream) -> Result<(Plan, Vec<OwnedFd>), StartError> {
    let mut header = [0; HEADER];
    let mut mounts = Vec::new();
    let mut ancillary = cmsg_space!([RawFd; MAX_MOUNTS]);
    let mut parts = [IoSliceMut::new(&mut header)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_WAITALL;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut ancillary), flags)
        .map_err(StartError::Receive)?;
    for control in message.cmsgs().map_err(|_| StartError::TooManyMounts)? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            for number in numbers {
                // SAFETY: the kernel made the descriptor for this message; nobody else knows of it.
                mounts.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    if message.bytes != HEADER {
        return Err(StartError::Closed);
    }
    let mut body = vec![0; channel::length(header)?];
    socket.read_exact(&mut body).map_err(StartError::Read)?;
    Ok((channel::decode(&body)?, mounts))
}
