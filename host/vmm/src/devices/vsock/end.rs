//! The host's end of a connection: a pipe or socket that the agent's client passed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::net::Shutdown;

use super::agent::Agent;
use crate::devices::chain::Buffers;
use crate::sys::guest_io;

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    End,
}

/// What came of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Bytes(usize),
    /// It takes nothing for now.
    Nothing,
    /// Nobody will read it.
    Broken,
}

/// One descriptor that came with the agent's bytes.
#[derive(Debug)]
pub(crate) struct Stream {
    descriptor: OwnedFd,
    pub(crate) to_guest: bool,
    pub(crate) from_guest: bool,
}

impl Stream {
    /// Its access mode says which way bytes go. It never blocks from now on.
    pub(crate) fn new(descriptor: OwnedFd) -> rustix::io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&descriptor)?;
        rustix::fs::fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?;
        let mode = flags & OFlags::RWMODE;
        Ok(Self { descriptor, to_guest: mode != OFlags::WRONLY, from_guest: mode != OFlags::RDONLY })
    }
}

/// The host's end.
#[derive(Debug)]
pub(crate) enum End {
    /// The agent's socket itself.
    Control(Agent),
    Stream(Stream),
}

impl End {
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Control(agent) => agent.descriptor(),
            Self::Stream(stream) => stream.descriptor.as_fd(),
        }
    }

    pub(crate) fn directions(&self) -> (bool, bool) {
        match self {
            Self::Control(_) => (true, true),
            Self::Stream(stream) => (stream.to_guest, stream.from_guest),
        }
    }

    /// Reads straight into guest memory.
    pub(crate) fn read(&mut self, into: &Buffers<'_>) -> Read {
        match self {
            Self::Control(agent) => agent.give(into),
            Self::Stream(stream) => loop {
                match guest_io::read(stream.descriptor.as_fd(), into.slices()) {
                    Ok(0) => return Read::End,
                    Ok(read) => return Read::Bytes(read),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::Nothing,
                    Err(_) => return Read::End,
                }
            },
        }
    }

    /// Writes straight from guest memory.
    pub(crate) fn write(&self, from: &Buffers<'_>) -> Written {
        written(|| guest_io::write(self.descriptor(), from.slices()))
    }

    /// Writes what was held back.
    pub(crate) fn write_bytes(&self, bytes: &[u8]) -> Written {
        written(|| Ok(rustix::io::write(self.descriptor(), bytes)?))
    }

    /// Whoever reads it finds the end. A pipe is closed with its connection, which is over then.
    pub(crate) fn finish_writing(&self) {
        let _ = rustix::net::shutdown(self.descriptor(), Shutdown::Write);
    }

    /// Whoever writes it is told that nobody reads.
    pub(crate) fn finish_reading(&self) {
        let _ = rustix::net::shutdown(self.descriptor(), Shutdown::Read);
    }
}

fn written(mut write: impl FnMut() -> io::Result<usize>) -> Written {
    loop {
        match write() {
            // Nothing that a stream is gives this.
            Ok(0) => return Written::Nothing,
            Ok(written) => return Written::Bytes(written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Written::Nothing,
            Err(_) => return Written::Broken,
        }
    }
}
