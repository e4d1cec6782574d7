//! One way of a process's bytes: between its pipe and the stream that the host has opened for it.
//!
//! splice(2) moves them, so that they never enter this program. A flow is registered with `epoll` by one of its two
//! descriptors at a time: by its source as long as its sink takes everything, and by its sink while that is full. A call that
//! moves nothing says that it is the other's turn.
//!
//! ```text
//!   Source ── nothing moved: the sink is full ──► Sink
//!      ◄───── nothing moved: the source is empty ──┘
//! ```

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use rustix::io::ioctl_fionread;

use super::Token;
use super::arrivals::Stream;

/// Most bytes moved before somebody else gets a turn: what a pipe holds, and a packet.
const PIECE: usize = 64 * 1024;

/// What is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    ForSource,
    ForSink,
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the host to the process.
    In,
    /// From the process to the host.
    Out,
}

/// Whether a flow has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Going,
    Ended,
}

pub(super) struct Flow {
    /// The process's number.
    pub(super) process: u32,
    token: Token,
    way: Way,
    pipe: OwnedFd,
    socket: OwnedFd,
    /// Whether `epoll` knows the socket, armed or not.
    knows_socket: bool,
    waits: Waits,
    /// Once the process has ended: what it left in its pipe.
    left: Option<usize>,
}

impl Flow {
    /// Between the relay's end of a process's pipe and a stream.
    pub(super) fn new(
        process: u32,
        way: Way,
        pipe: OwnedFd,
        stream: Stream,
        epoll: &Epoll,
    ) -> Result<Self, Errno> {
        let Stream { token, socket } = stream;
        let waits = Waits::ForSource;
        let mut flow = Self { process, token, way, pipe, socket, knows_socket: true, waits, left: None };
        flow.arm(waits, epoll)?;
        Ok(flow)
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// Moves what can be moved at once, after an event.
    pub(super) fn advance(&mut self, epoll: &Epoll) -> Result<Progress, Errno> {
        let most = self.left.unwrap_or(PIECE).min(PIECE);
        let (source, sink) = self.ends();
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        match splice(source, None, sink, None, most, flags) {
            Ok(0) => Ok(Progress::Ended),
            Ok(count) => {
                self.left = self.left.map(|left| left.saturating_sub(count));
                Ok(if self.left == Some(0) { Progress::Ended } else { Progress::Going })
            }
            Err(Errno::EAGAIN) => {
                self.turn(epoll)?;
                Ok(Progress::Going)
            }
            Err(Errno::EINTR) => Ok(Progress::Going),
            // One of the ends is gone: the other goes as well.
            Err(_) => Ok(Progress::Ended),
        }
    }

    /// Takes note of the end of its process: what it wrote is still to be delivered, and what others may write to its pipe
    /// from now on is not waited for.
    pub(super) fn end(&mut self) -> Progress {
        match self.way {
            Way::In => Progress::Ended,
            Way::Out => {
                let left = ioctl_fionread(&self.pipe).unwrap_or(0);
                self.left = Some(usize::try_from(left).unwrap_or(usize::MAX));
                if left == 0 { Progress::Ended } else { Progress::Going }
            }
        }
    }

    /// Whether its process still runs, as far as it knows.
    pub(super) fn is_running(&self) -> bool {
        self.left.is_none()
    }

    fn ends(&self) -> (&OwnedFd, &OwnedFd) {
        match self.way {
            Way::In => (&self.socket, &self.pipe),
            Way::Out => (&self.pipe, &self.socket),
        }
    }

    /// Waits for the other end from now on. What is not waited for is taken out, as its hanging up would be told for ever.
    fn turn(&mut self, epoll: &Epoll) -> Result<(), Errno> {
        let (waited_for, next) = match (self.waits, self.ends()) {
            (Waits::ForSource, (source, _)) => (source, Waits::ForSink),
            (Waits::ForSink, (_, sink)) => (sink, Waits::ForSource),
        };
        epoll.delete(waited_for)?;
        if self.is_socket(self.waits) {
            self.knows_socket = false;
        }
        self.arm(next, epoll)
    }

    fn arm(&mut self, waits: Waits, epoll: &Epoll) -> Result<(), Errno> {
        let (source, sink) = self.ends();
        let (end, flags) = match waits {
            Waits::ForSource => (source, EpollFlags::EPOLLIN),
            Waits::ForSink => (sink, EpollFlags::EPOLLOUT),
        };
        let mut event = EpollEvent::new(flags, self.token.0);
        let is_socket = self.is_socket(waits);
        if is_socket && self.knows_socket {
            epoll.modify(end.as_fd(), &mut event)?;
        } else {
            epoll.add(end.as_fd(), event)?;
        }
        self.knows_socket |= is_socket;
        self.waits = waits;
        Ok(())
    }

    /// Whether the end that is waited for is the socket, and not the pipe.
    fn is_socket(&self, waits: Waits) -> bool {
        matches!((self.way, waits), (Way::In, Waits::ForSource) | (Way::Out, Waits::ForSink))
    }
}
