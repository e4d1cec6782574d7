//! The agent's end of the connection: requests with their descriptors in, responses out, never blocking.
//!
//! What waits to be sent is bounded: `server` takes no further request while the host does not read
//! ([`Connection::is_congested`]), and what is under way already makes one response a process at most.

#![allow(unsafe_code, reason = "descriptors that came with a message are owned by nobody yet")]

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use mimobox_protocol::{
    DecodeError, Decoder, EncodeError, Hello, HelloError, MAX_DESCRIPTORS, Request, Response,
};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, send};

/// Most bytes taken from the socket at once. A usual spawn is far below.
const CHUNK: usize = 32 * 1024;

/// Responses wait for the host up to about here; then requests wait for the responses.
const CONGESTED: usize = 16 * 1024;

/// The host broke the protocol, or the socket failed. The agent ends, and the sandbox with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("failed to set up the socket")]
    SetUp(#[source] io::Error),
    #[error("failed to receive")]
    Receive(#[source] Errno),
    #[error("failed to send")]
    Send(#[source] Errno),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("failed to match descriptors to requests: too few")]
    TooFewDescriptors,
    #[error("failed to match descriptors to requests: too many")]
    TooManyDescriptors,
}

/// What [`Connection::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Something,
    Nothing,
    /// The host has closed its end.
    Closed,
}

pub(crate) struct Connection {
    socket: UnixStream,
    greeted: bool,
    decoder: Decoder,
    chunk: Vec<u8>,
    /// The part of `chunk` that is received and not decoded.
    unread: Range<usize>,
    /// Received, and not taken by a request. The kernel ends a message at the bytes that descriptors came with,
    /// so beside those of one unfinished frame there are at most those of the next.
    descriptors: VecDeque<OwnedFd>,
    outgoing: Vec<u8>,
}

impl Connection {
    /// Greets the host.
    pub(crate) fn new(socket: UnixStream) -> Result<Self, ConnectionError> {
        socket.set_nonblocking(true).map_err(ConnectionError::SetUp)?;
        let mut connection = Self {
            socket,
            greeted: false,
            decoder: Decoder::new(),
            chunk: vec![0; CHUNK],
            unread: 0..0,
            descriptors: VecDeque::new(),
            outgoing: mimobox_protocol::encode(&Hello::OURS)?,
        };
        connection.flush()?;
        Ok(connection)
    }

    /// Takes what is there off the socket. Only to be called once every request received so far is taken.
    pub(crate) fn receive(&mut self) -> Result<Received, ConnectionError> {
        debug_assert!(!self.has_unread(), "a request would be lost");
        let mut ancillary = cmsg_space!([RawFd; MAX_DESCRIPTORS]);
        let mut parts = [IoSliceMut::new(&mut self.chunk)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = match recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut ancillary), flags) {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Received::Nothing),
            Err(Errno::ECONNRESET) => return Ok(Received::Closed),
            Err(errno) => return Err(ConnectionError::Receive(errno)),
        };
        for control in message.cmsgs().map_err(|_| ConnectionError::TooManyDescriptors)? {
            if let ControlMessageOwned::ScmRights(numbers) = control {
                for number in numbers {
                    // SAFETY: the kernel made the descriptor for this message; nobody else knows of it.
                    self.descriptors.push_back(unsafe { OwnedFd::from_raw_fd(number) });
                }
            }
        }
        let count = message.bytes;
        if self.descriptors.len() > 2 * MAX_DESCRIPTORS {
            return Err(ConnectionError::TooManyDescriptors);
        }
        self.unread = 0..count;
        Ok(if count == 0 { Received::Closed } else { Received::Something })
    }

    /// The next request that was received whole, and the descriptors that belong to it.
    pub(crate) fn next_request(&mut self) -> Result<Option<(Request, Vec<OwnedFd>)>, ConnectionError> {
        if !self.greeted {
            let Some(hello) = self.next_message::<Hello>()? else { return Ok(None) };
            hello.check()?;
            self.greeted = true;
        }
        let Some(request) = self.next_message::<Request>()? else {
            // Every frame that came whole has taken its own.
            let allowed = if self.decoder.is_between_frames() { 0 } else { MAX_DESCRIPTORS };
            return if self.descriptors.len() > allowed {
                Err(ConnectionError::TooManyDescriptors)
            } else {
                Ok(None)
            };
        };
        let wanted = request.descriptors();
        if self.descriptors.len() < wanted {
            return Err(ConnectionError::TooFewDescriptors);
        }
        let descriptors = self.descriptors.drain(..wanted).collect();
        Ok(Some((request, descriptors)))
    }

    fn next_message<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, ConnectionError> {
        let mut input = self.chunk.get(self.unread.clone()).unwrap_or_default();
        let message = self.decoder.next(&mut input)?;
        self.unread.start = self.unread.end.saturating_sub(input.len());
        Ok(message)
    }

    /// Whether requests may be left to take without receiving more.
    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Puts a response behind those that wait.
    pub(crate) fn send(&mut self, response: &Response) -> Result<(), ConnectionError> {
        self.outgoing.extend(mimobox_protocol::encode(response)?);
        Ok(())
    }

    /// Sends as much of what waits as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), ConnectionError> {
        while !self.outgoing.is_empty() {
            match send(self.socket.as_raw_fd(), &self.outgoing, MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => drop(self.outgoing.drain(..count.min(self.outgoing.len()))),
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(ConnectionError::Send(errno)),
            }
        }
        Ok(())
    }

    /// Whether the host reads so little that no request should be taken.
    pub(crate) fn is_congested(&self) -> bool {
        self.outgoing.len() >= CONGESTED
    }

    /// Whether something waits for the socket to take it.
    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
