//! A terminal of a command: the agent holds its master and pumps between it and the host's two pipes.
//!
//! ```text
//!   host ── input pipe ──► typed ──► master ║ slave: 0, 1 and 2 of the command, and its controlling terminal
//!   host ◄── output pipe ── shown ◄── master ║
//! ```
//!
//! `server` waits for all three descriptors; `processes` owns the terminal with its process. The end of the input hangs
//! nothing up. If the host stops taking output, it is thrown away: the command shall not wait for nobody, and a host that
//! wants it to end says so by a signal.

mod flow;
mod pair;

use std::os::fd::{AsFd as _, OwnedFd};

use mimobox_protocol::TerminalSize;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::unistd::{Pid, Uid, tcgetpgrp};

use crate::event_source::{EventSource, TerminalEnd};
use flow::{Flow, Progress};
use pair::Pair;

pub(crate) use pair::take_control;

/// Room that the output pipe is given beyond what it holds, so that the rest fits in though the host does not read just now.
const ROOM_FOR_REST: libc::c_int = 256 * 1024;

pub(crate) struct Terminal {
    /// None once it is closed.
    master: Option<OwnedFd>,
    /// None once it has ended.
    input: Option<OwnedFd>,
    output: OwnedFd,
    typed: Flow,
    shown: Flow,
}

impl Terminal {
    /// Makes a terminal for process `id` that belongs to `owner`, with its slave.
    pub(crate) fn open(
        id: u32,
        owner: Option<Uid>,
        size: TerminalSize,
        pipes: [OwnedFd; 2],
        epoll: &Epoll,
    ) -> Result<(Self, OwnedFd), Errno> {
        let [input, output] = pipes;
        let Pair { master, slave } = Pair::open(owner, size)?;
        for (descriptor, end, flags) in [
            (&input, TerminalEnd::Input, EpollFlags::EPOLLIN),
            (&output, TerminalEnd::Output, EpollFlags::EPOLLOUT),
            (&master, TerminalEnd::Master, EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT),
        ] {
            fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            let source = EventSource::Terminal { id, end };
            epoll.add(descriptor, EpollEvent::new(flags | EpollFlags::EPOLLET, source.into()))?;
        }
        let (typed, shown) = (Flow::new(), Flow::new());
        Ok((Self { master: Some(master), input: Some(input), output, typed, shown }, slave))
    }

    /// Takes note of an event.
    pub(crate) fn may_be_ready(&mut self, end: TerminalEnd, events: EpollFlags) {
        match end {
            TerminalEnd::Input => self.typed.source_may_be_ready(),
            TerminalEnd::Output => self.shown.sink_may_be_ready(),
            TerminalEnd::Master => {
                // An end or an error is found out by trying.
                if events != EpollFlags::EPOLLIN {
                    self.typed.sink_may_be_ready();
                }
                if events != EpollFlags::EPOLLOUT {
                    self.shown.source_may_be_ready();
                }
            }
        }
    }

    /// Moves what can be moved each way; whether there may be more to do at once.
    pub(crate) fn pump(&mut self) -> bool {
        let Some(master) = &self.master else {
            return false;
        };
        let mut busy = self.shown.advance(master, &self.output) == Progress::Share;
        if let Some(input) = &self.input {
            busy |= self.typed.advance(input, master) == Progress::Share;
            if self.typed.has_ended() {
                self.input = None;
            }
        }
        busy
    }

    pub(crate) fn resize(&self, size: TerminalSize) -> Result<(), Errno> {
        pair::resize(self.master.as_ref().ok_or(Errno::ESRCH)?, size)
    }

    /// The process group that reads what is typed, if there is one.
    pub(crate) fn foreground(&self) -> Option<Pid> {
        // 0 stands for none; to a signal it would mean the agent's own group.
        tcgetpgrp(self.master.as_ref()?.as_fd()).ok().filter(|group| group.as_raw() > 1)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.master.is_none()
    }

    /// Closes the master: the kernel sends `SIGHUP` to the session's leader, and nobody can read or write the terminal any
    /// more. What it held is kept for the host.
    pub(crate) fn close(&mut self) {
        self.input = None;
        let Some(master) = self.master.take() else { return };
        self.shown.take_rest(master);
        if !self.flush() && !self.is_flushed() {
            // Refused where its user has many pipes already: then the rest waits for the host, as long as there is patience.
            let capacity = fcntl(&self.output, FcntlArg::F_GETPIPE_SZ).unwrap_or(0);
            let _ = fcntl(&self.output, FcntlArg::F_SETPIPE_SZ(capacity.saturating_add(ROOM_FOR_REST)));
            self.shown.sink_may_be_ready();
            self.flush();
        }
    }

    /// After closing: hands on as much as the host takes; whether it took anything.
    pub(crate) fn flush(&mut self) -> bool {
        self.shown.drain(&self.output)
    }

    /// Whether the host has been given everything.
    pub(crate) fn is_flushed(&self) -> bool {
        self.shown.is_empty()
    }
}
