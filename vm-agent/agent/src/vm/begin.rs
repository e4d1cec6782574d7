//! What a machine's agent is told by its init once the machine is set up: before anything of the host's reaches it.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::identity::Identity;
use crate::surroundings::Surroundings;

/// The agent may serve.
pub(super) struct Begin {
    /// What is written over the root.
    pub(super) upper: OwnedFd,
    /// How many of the kernel's threads are the kernel's own.
    pub(super) kernel_threads: u32,
}

const LENGTH: usize = size_of::<u32>();

impl Begin {
    /// Tells it to the agent at the other end.
    pub(super) fn send(&self, agent: &UnixStream) -> Result<(), Errno> {
        let bytes = self.kernel_threads.to_le_bytes();
        let rights = [self.upper.as_raw_fd()];
        let parts = [std::io::IoSlice::new(&bytes)];
        sendmsg::<()>(
            agent.as_raw_fd(),
            &parts,
            &[ControlMessage::ScmRights(&rights)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map(drop)
    }

    /// Waits for it. None if the init ends first.
    pub(super) fn receive(init: &UnixStream) -> Result<Option<Self>, Errno> {
        let mut bytes = [0; LENGTH];
        let mut ancillary = cmsg_space!([RawFd; 1]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_WAITALL;
        let message = recvmsg::<()>(init.as_raw_fd(), &mut parts, Some(&mut ancillary), flags)?;
        let mut upper = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(numbers) = control {
                for number in numbers {
                    // SAFETY: the kernel made the descriptor for this message; nobody else knows of it.
                    upper = Some(unsafe { OwnedFd::from_raw_fd(number) });
                }
            }
        }
        let whole = message.bytes == LENGTH;
        Ok(upper.filter(|_| whole).map(|upper| Self { upper, kernel_threads: u32::from_le_bytes(bytes) }))
    }
}

impl From<Begin> for Surroundings {
    fn from(begin: Begin) -> Self {
        Self {
            identity: Identity::Machine,
            upper: Some(begin.upper),
            kernel_threads: Some(begin.kernel_threads),
        }
    }
}
