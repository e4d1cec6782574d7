//! Streams that the host opens: each begins with its number, four bytes, least significant first.
//!
//! A frame of the host announces how many belong to it; only then are as many accepted. So those that nobody has announced
//! wait in the kernel's own queue, which is bounded. Streams are numbered in the order of the frames that they belong to.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{MsgFlags, SockFlag, accept4, recv};

use super::{RelayError, Token, Tokens};

const HEADER: usize = size_of::<u32>();

pub(super) struct Arrivals {
    listener: OwnedFd,
    /// Whether an event is to say when there is one to accept.
    is_armed: bool,
    /// Accepted, but not yet with all of its number.
    unnamed: BTreeMap<Token, Unnamed>,
    /// Of the frame that waits.
    named: BTreeMap<u32, Stream>,
    /// The number of the first that no frame has taken.
    next: u32,
    token: Token,
}

/// A stream whose number is known. `token` is what `epoll` has it by; it says nothing until it is armed again.
pub(super) struct Stream {
    pub(super) token: Token,
    pub(super) socket: OwnedFd,
}

struct Unnamed {
    socket: OwnedFd,
    header: [u8; HEADER],
    received: usize,
}

impl Arrivals {
    /// `epoll` gets to know the listener, and says nothing of it until that is wanted: usually the streams are there before
    /// their frame, and nobody need be woken for them.
    pub(super) fn new(listener: OwnedFd, token: Token, epoll: &Epoll) -> Result<Self, Errno> {
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLONESHOT, token.0))?;
        let (unnamed, named) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { listener, token, is_armed: false, unnamed, named, next: 0 })
    }

    /// Takes note of the event that it was armed for.
    pub(super) fn may_accept(&mut self) {
        self.is_armed = false;
    }

    /// The next `count` streams in their order, once all have come. Asked for again until then, with the same count.
    pub(super) fn take(
        &mut self,
        count: usize,
        epoll: &Epoll,
        tokens: &mut Tokens,
    ) -> Result<Option<Vec<Stream>>, RelayError> {
        while !self.is_armed && self.unnamed.len() + self.named.len() < count {
            self.accept(epoll, tokens)?;
        }
        if self.named.len() < count {
            return Ok(None);
        }
        let mut taken = Vec::with_capacity(count);
        for _ in 0..count {
            // Were one missing another would be there whose number lies beyond: it is no stream of this frame.
            taken.push(self.named.remove(&self.next).ok_or(RelayError::StreamNumber)?);
            self.next = self.next.wrapping_add(1);
        }
        Ok(Some(taken))
    }

    fn accept(&mut self, epoll: &Epoll, tokens: &mut Tokens) -> Result<(), RelayError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let number = match accept4(self.listener.as_raw_fd(), flags) {
            Ok(number) => number,
            Err(Errno::EAGAIN) => {
                let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
                let mut event = EpollEvent::new(flags, self.token.0);
                epoll.modify(&self.listener, &mut event).map_err(RelayError::EventLoop)?;
                self.is_armed = true;
                return Ok(());
            }
            // It was closed before it was accepted.
            Err(Errno::EINTR | Errno::ECONNABORTED) => return Ok(()),
            Err(errno) => return Err(RelayError::Accept(errno)),
        };
        // SAFETY: the kernel just made it for this call; nobody else knows of it.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        let token = tokens.next();
        // Once: the number comes, and then it depends on what the stream is for.
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
        epoll.add(&socket, EpollEvent::new(flags, token.0)).map_err(RelayError::EventLoop)?;
        self.unnamed.insert(token, Unnamed { socket, header: [0; HEADER], received: 0 });
        Ok(())
    }

    /// Whether this stream still waits for its number.
    pub(super) fn knows(&self, token: Token) -> bool {
        self.unnamed.contains_key(&token)
    }

    /// Takes what has come of a stream's number.
    pub(super) fn name(&mut self, token: Token, epoll: &Epoll) -> Result<(), RelayError> {
        let Some(stream) = self.unnamed.get_mut(&token) else { return Ok(()) };
        let rest = stream.header.get_mut(stream.received..).unwrap_or_default();
        match recv(stream.socket.as_raw_fd(), rest, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return Err(RelayError::StreamNumber),
            Ok(count) => stream.received += count,
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => return Err(RelayError::StreamNumber),
        }
        if stream.received < HEADER {
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
            let mut event = EpollEvent::new(flags, token.0);
            return epoll.modify(&stream.socket, &mut event).map_err(RelayError::EventLoop);
        }
        let number = u32::from_le_bytes(stream.header);
        if let Some(Unnamed { socket, .. }) = self.unnamed.remove(&token)
            && self.named.insert(number, Stream { token, socket }).is_some()
        {
            return Err(RelayError::StreamNumber);
        }
        Ok(())
    }
}
