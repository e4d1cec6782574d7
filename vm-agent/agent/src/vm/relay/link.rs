//! One end of the relay: a stream of frames in, and one frame at most on its way out.
//!
//! Whoever owns a link takes no further frame for it while one waits, so that what is kept here is bounded by the length of a
//! frame. It is watched edge-triggered; a read that came back short has taken all there was.

use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

use mimobox_protocol::{DecodeError, Decoder};
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};
use serde::de::DeserializeOwned;

/// Most bytes taken from the socket at once. A usual spawn is far below.
const CHUNK: usize = 64 * 1024;

/// What [`Link::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Something,
    Nothing,
    /// The other end has closed the connection.
    Closed,
}

pub(crate) struct Link {
    socket: OwnedFd,
    decoder: Decoder,
    chunk: Vec<u8>,
    /// The part of `chunk` that is received and not decoded.
    unread: Range<usize>,
    outgoing: Vec<u8>,
    /// To travel with the first byte of `outgoing`.
    descriptors: Vec<OwnedFd>,
    /// Whether there may be something to receive.
    readable: bool,
    /// Whether the other end has closed, so that a short read is not the last.
    is_ending: bool,
}

impl Link {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            decoder: Decoder::new(),
            chunk: vec![0; CHUNK],
            unread: 0..0,
            outgoing: Vec::new(),
            descriptors: Vec::new(),
            readable: true,
            is_ending: false,
        }
    }

    /// Takes note of an event.
    pub(crate) fn may_be_ready(&mut self, events: EpollFlags) {
        self.is_ending |=
            events.intersects(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        self.readable |= self.is_ending || events.contains(EpollFlags::EPOLLIN);
    }

    /// Takes what is there off the socket, without waiting. Only to be called once every message so far is taken.
    pub(crate) fn receive(&mut self) -> Result<Received, Errno> {
        if !self.readable {
            return Ok(Received::Nothing);
        }
        self.receive_with(MsgFlags::MSG_DONTWAIT)
    }

    /// Waits for something to come.
    pub(crate) fn wait(&mut self) -> Result<Received, Errno> {
        self.receive_with(MsgFlags::empty())
    }

    /// Waits for something to come, and throws it away with all that came before.
    pub(crate) fn discard(&mut self) -> Result<Received, Errno> {
        self.unread = 0..0;
        self.wait()
    }

    fn receive_with(&mut self, flags: MsgFlags) -> Result<Received, Errno> {
        debug_assert!(self.unread.is_empty(), "a message would be lost");
        match recv(self.socket.as_raw_fd(), &mut self.chunk, flags) {
            Ok(0) | Err(Errno::ECONNRESET | Errno::ENOTCONN) => Ok(Received::Closed),
            Ok(count) => {
                self.unread = 0..count;
                self.readable = self.is_ending || count == self.chunk.len();
                Ok(Received::Something)
            }
            Err(Errno::EAGAIN) => {
                self.readable = false;
                Ok(Received::Nothing)
            }
            Err(Errno::EINTR) => Ok(Received::Something),
            Err(errno) => Err(errno),
        }
    }

    /// The next message that was received whole.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, DecodeError> {
        let mut input = self.chunk.get(self.unread.clone()).unwrap_or_default();
        let message = self.decoder.next(&mut input)?;
        self.unread.start = self.unread.end.saturating_sub(input.len());
        Ok(message)
    }

    /// Sends a frame, now or as soon as there is room. Not while one waits.
    pub(crate) fn send(&mut self, frame: Vec<u8>, descriptors: Vec<OwnedFd>) -> Result<(), Errno> {
        debug_assert!(!self.is_blocked(), "a frame would be lost");
        self.outgoing = frame;
        self.descriptors = descriptors;
        self.flush()
    }

    /// Sends a frame without descriptors, now or as soon as there is room, behind whatever waits: for the few that come beside
    /// the order.
    pub(crate) fn queue(&mut self, frame: Vec<u8>) -> Result<(), Errno> {
        self.outgoing.extend(frame);
        self.flush()
    }

    /// Sends as much of what waits as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), Errno> {
        while !self.outgoing.is_empty() {
            match self.send_part() {
                Ok(count) => {
                    self.outgoing.drain(..count.min(self.outgoing.len()));
                    self.descriptors.clear();
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn send_part(&self) -> Result<usize, Errno> {
        let numbers: Vec<RawFd> = self.descriptors.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &[] } else { &rights[..] };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.socket.as_raw_fd(), &[IoSlice::new(&self.outgoing)], control, flags, None)
    }

    /// Whether a frame waits for the socket to take it.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
