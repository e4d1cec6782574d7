//! The socket of the agent's client: bytes for the control connection, and descriptors, each of which becomes a stream.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use super::end::Read;
use crate::devices::chain::Buffers;

/// Bytes that are read ahead at most. Control frames are short; bulk goes by streams, which are not copied.
const READ_AHEAD: usize = 64 << 10;
/// Descriptors that come with one read at most: `SCM_MAX_FD` of Linux.
pub(crate) const MAX_DESCRIPTORS: usize = 253;
/// Room for them: the header of a control message, then four bytes each.
const ANCILLARY: usize = 16 + 4 * (MAX_DESCRIPTORS + 1);

/// The socket and what was read from it already.
#[derive(Debug)]
pub(crate) struct Agent {
    socket: UnixStream,
    /// Bytes that the guest has not got yet. Nothing more is read before they are gone.
    held: VecDeque<u8>,
    ended: bool,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Bytes are held, and these descriptors came along.
    Some(Vec<OwnedFd>),
    /// Nothing for now.
    Nothing,
    /// The client is gone, or sent what cannot be told apart from that.
    End,
}

impl Agent {
    pub(crate) fn new(socket: UnixStream) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, held: VecDeque::new(), ended: false })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether the guest should get what is held before more is taken.
    pub(crate) fn is_full(&self) -> bool {
        !self.held.is_empty()
    }

    /// Reads ahead.
    pub(crate) fn take(&mut self) -> Taken {
        let mut bytes = vec![0; READ_AHEAD];
        let mut space = [MaybeUninit::uninit(); ANCILLARY];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let into = &mut [IoSliceMut::new(&mut bytes)];
            match rustix::net::recvmsg(&self.socket, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                other => break other,
            }
        };
        match received {
            Ok(message) if message.bytes > 0 => bytes.truncate(message.bytes),
            Err(Errno::AGAIN) => return Taken::Nothing,
            _ => {
                self.ended = true;
                return Taken::End;
            }
        }
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                descriptors.extend(some);
            }
        }
        self.held = bytes.into();
        Taken::Some(descriptors)
    }

    /// Gives the guest what is held.
    pub(crate) fn give(&mut self, into: &Buffers<'_>) -> Read {
        if self.held.is_empty() {
            return if self.ended { Read::End } else { Read::Nothing };
        }
        let room = into.len().min(self.held.len());
        let bytes: Vec<u8> = self.held.drain(..room).collect();
        Read::Bytes(into.write(&bytes))
    }
}
