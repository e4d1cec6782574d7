//! One way of a terminal's bytes: from a descriptor to another, through a bounded buffer, never waiting.
//!
//! A full sink stops the reading, so that whoever writes to the source waits in the kernel: back-pressure all the way. Both
//! descriptors are watched edge-triggered, so that each is remembered as ready until the kernel has said otherwise.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::unistd::{read, write};

/// As much as a terminal gives at once.
const PIECE: usize = 4 * 1024;

const BUFFER: usize = 8 * 1024;

/// Most bytes moved before somebody else gets a turn.
const SHARE: usize = 64 * 1024;

/// Most bytes that a terminal may still hold when it is closed: the kernel keeps 12 KiB each way.
const REST: usize = 32 * 1024;

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ready,
    Waiting,
    Gone,
}

/// Whether [`Flow::advance`] used up its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There may be more to do at once.
    Share,
    /// It waits for one of its descriptors.
    Stalled,
}

pub(crate) struct Flow {
    source: End,
    sink: End,
    /// Read and not written: from `start` on.
    held: Vec<u8>,
    start: usize,
}

impl Flow {
    pub(crate) fn new() -> Self {
        Self { source: End::Ready, sink: End::Ready, held: Vec::with_capacity(BUFFER + PIECE), start: 0 }
    }

    pub(crate) fn source_may_be_ready(&mut self) {
        if self.source == End::Waiting {
            self.source = End::Ready;
        }
    }

    pub(crate) fn sink_may_be_ready(&mut self) {
        if self.sink == End::Waiting {
            self.sink = End::Ready;
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.source == End::Gone && self.is_empty()
    }

    /// Moves what can be moved without waiting.
    pub(crate) fn advance(&mut self, source: impl AsFd, sink: impl AsFd) -> Progress {
        let mut moved = 0;
        while moved < SHARE {
            if self.is_empty() && !self.fill(&source) {
                return Progress::Stalled;
            }
            match self.empty_into(&sink) {
                0 => return Progress::Stalled,
                count => moved += count,
            }
        }
        Progress::Share
    }

    /// Takes the rest from the source, which is about to be closed.
    pub(crate) fn take_rest(&mut self, source: impl AsFd) {
        let mut taken = 0;
        self.source_may_be_ready();
        while taken < REST {
            match self.read(&source) {
                0 => break,
                count => taken += count,
            }
        }
        self.source = End::Gone;
    }

    /// Moves what is held on, as far as that goes without waiting; whether anything was moved.
    pub(crate) fn drain(&mut self, sink: impl AsFd) -> bool {
        let mut moved = false;
        while !self.is_empty() && self.empty_into(&sink) > 0 {
            moved = true;
        }
        moved
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.held.len()
    }

    /// Reads into the empty buffer until it is full or nothing more is there; whether something came. A terminal gives little
    /// at once, and a pipe holds fewer small pieces than large ones.
    fn fill(&mut self, source: impl AsFd) -> bool {
        self.held.clear();
        self.start = 0;
        while self.held.len() < BUFFER && self.read(&source) > 0 {}
        !self.held.is_empty()
    }

    /// Reads once, behind what is held.
    fn read(&mut self, source: impl AsFd) -> usize {
        let held = self.held.len();
        while self.source == End::Ready {
            self.held.resize(held + PIECE, 0);
            let answer = read(&source, self.held.get_mut(held..).unwrap_or_default());
            self.held.truncate(held + answer.unwrap_or(0));
            match answer {
                Ok(0) => self.source = End::Gone,
                Ok(count) => return count,
                Err(Errno::EINTR) => {}
                // EIO: no process has the terminal open just now. One may open it again.
                Err(Errno::EAGAIN | Errno::EIO) => self.source = End::Waiting,
                Err(_) => self.source = End::Gone,
            }
        }
        0
    }

    /// Writes once from what is held, or throws it away if nobody can take it any more: whoever writes to the source shall
    /// not wait for a reader that has gone.
    fn empty_into(&mut self, sink: impl AsFd) -> usize {
        let held = self.held.get(self.start..).unwrap_or_default();
        let count = loop {
            match self.sink {
                End::Gone => break held.len(),
                End::Waiting => break 0,
                End::Ready => match write(&sink, held) {
                    Ok(count) => break count,
                    Err(Errno::EINTR) => {}
                    Err(Errno::EAGAIN | Errno::EIO) => self.sink = End::Waiting,
                    Err(_) => self.sink = End::Gone,
                },
            }
        };
        self.start += count;
        count
    }
}
