//! The control socket: packets in and out, with descriptors beside them.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mimobox_vmm_protocol::{DecodeError, Event, MAX_DESCRIPTORS, MAX_PACKET, Request, decode, encode};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// A packet did not get through.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The socket failed.
    #[error("failed to use the control socket")]
    Socket(#[source] Errno),
    /// A packet, or its descriptors, were cut off.
    #[error("failed to receive a whole packet")]
    Cut,
    /// It is no request.
    #[error("failed to understand a packet")]
    Decode(#[source] DecodeError),
    /// An event is longer than a packet.
    #[error("failed to put an event into a packet")]
    Encode(#[source] mimobox_vmm_protocol::EncodeError),
}

/// The control socket.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// One packet of the host's.
#[derive(Debug)]
pub(crate) struct Packet {
    /// What it asks.
    pub(crate) request: Request,
    /// What came along.
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Channel {
    /// Over this socket, of type `SOCK_SEQPACKET`.
    #[must_use]
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Waits for the next request. None: the host has closed its end.
    ///
    /// # Errors
    /// Each variant of [`ChannelError`] but `Encode`.
    pub(crate) fn receive(&self) -> Result<Option<Packet>, ChannelError> {
        let mut bytes = vec![0; MAX_PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut slices = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.0, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(None),
                answer => break answer.map_err(ChannelError::Socket)?,
            }
        };
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(ChannelError::Cut);
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        let request =
            decode(bytes.get(..received.bytes).unwrap_or_default()).map_err(ChannelError::Decode)?;
        Ok(Some(Packet { request, descriptors }))
    }

    /// Says an event. That the host has closed its end is no error: the next [`receive`](Self::receive) tells.
    ///
    /// # Errors
    /// `Encode`, `Socket`.
    pub(crate) fn send(&self, event: &Event, descriptor: Option<BorrowedFd<'_>>) -> Result<(), ChannelError> {
        let bytes = encode(event).map_err(ChannelError::Encode)?;
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        loop {
            match sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(error) => return Err(ChannelError::Socket(error)),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
