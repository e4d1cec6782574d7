//! The event loop: waits for the host and for ended children, and answers both.

use std::os::unix::net::UnixStream;
use std::time::Instant;

use mimobox_protocol::{Request, Response, SpawnFailure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SIGCHLD, SigSet};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::archive::Direction;
use crate::connection::{Connection, ConnectionError, Received};
use crate::event_source::EventSource;
use crate::processes::{Processes, Reaped};
use crate::surroundings::Surroundings;

/// Serving ended otherwise than by the host closing the connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("failed to set up the event loop")]
    EventLoop(#[source] Errno),
    #[error("failed to wait for events")]
    Wait(#[source] Errno),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("failed to start a process: its number {id} is in use")]
    NumberInUse { id: u32 },
}

/// Serves until the host closes the connection. [`attributes::set`](crate::attributes::set) comes first.
pub(crate) fn serve(socket: UnixStream, surroundings: Surroundings) -> Result<(), ServeError> {
    Server::new(socket, surroundings)?.run()
}

/// Most events taken from the kernel at once.
const EVENTS: usize = 32;

struct Server {
    epoll: Epoll,
    connection: Connection,
    /// What of the connection is waited for.
    interest: EpollFlags,
    children: SignalFd,
    processes: Processes,
    reaped: Reaped,
    /// Whether a terminal may have more to pump at once.
    busy: bool,
}

impl Server {
    fn new(socket: UnixStream, surroundings: Surroundings) -> Result<Self, ServeError> {
        let connection = Connection::new(socket)?;
        let children =
            SignalFd::with_flags(&SigSet::from(SIGCHLD), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
                .map_err(ServeError::EventLoop)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(ServeError::EventLoop)?;
        let interest = EpollFlags::EPOLLIN;
        epoll
            .add(&connection, EpollEvent::new(interest, EventSource::Connection.into()))
            .map_err(ServeError::EventLoop)?;
        epoll
            .add(&children, EpollEvent::new(EpollFlags::EPOLLIN, EventSource::Children.into()))
            .map_err(ServeError::EventLoop)?;
        let processes = Processes::new(surroundings);
        Ok(Self { epoll, connection, interest, children, processes, reaped: Reaped::All, busy: false })
    }

    fn run(mut self) -> Result<(), ServeError> {
        loop {
            let mut events = [EpollEvent::empty(); EVENTS];
            let count = match self.epoll.wait(&mut events, self.patience()) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(ServeError::Wait(errno)),
            };
            for event in events.iter().take(count) {
                match EventSource::from_data(event.data()) {
                    Some(EventSource::Connection) if self.takes_requests() => {
                        if self.connection.receive()? == Received::Closed {
                            return Ok(());
                        }
                    }
                    Some(EventSource::Children) => {
                        // Only says that there may be children to reap; one that is pending stands for many.
                        let _ = self.children.read_signal();
                        self.reaped = Reaped::Some;
                    }
                    Some(EventSource::Terminal { id, end }) => {
                        self.processes.terminal_may_be_ready(id, end, event.events());
                    }
                    Some(EventSource::Connection) | None => {}
                }
            }
            self.answer_requests()?;
            // Before the reaping: what a terminal shows shall not wait for its end.
            self.busy = self.processes.pump();
            if self.reaped == Reaped::Some {
                self.reaped = self.processes.reap();
            }
            for response in self.processes.conclude() {
                self.connection.send(&response)?;
            }
            self.connection.flush()?;
            self.update_interest()?;
        }
    }

    fn answer_requests(&mut self) -> Result<(), ServeError> {
        while !self.connection.is_congested() {
            let Some((request, descriptors)) = self.connection.next_request()? else { break };
            let response = match request {
                Request::Spawn { id, .. }
                | Request::OpenTerminal { id, .. }
                | Request::File { id, .. }
                | Request::Save { id }
                | Request::Restore { id }
                    if self.processes.knows(id) =>
                {
                    return Err(ServeError::NumberInUse { id });
                }
                Request::Spawn { id, command, .. } => {
                    started(id, self.processes.start(id, &command, descriptors))
                }
                Request::OpenTerminal { id, command, size } => {
                    let opened = self.processes.open_terminal(id, &command, size, descriptors, &self.epoll);
                    started(id, opened)
                }
                Request::Signal { id, process, signal } => {
                    Response::Signalled { id, delivered: self.processes.signal(process, signal) }
                }
                Request::Resize { id, process, size } => {
                    Response::Resized { id, resized: self.processes.resize(process, size) }
                }
                Request::Usage { id } => Response::Used { id, usage: self.processes.usage() },
                Request::File { id, operation } => {
                    let pipe = descriptors.into_iter().next();
                    started(id, self.processes.start_file_operation(id, &operation, pipe))
                }
                Request::Save { id } => {
                    let pipe = descriptors.into_iter().next();
                    started(id, self.processes.start_archive(id, Direction::Save, pipe))
                }
                Request::Restore { id } => {
                    let pipe = descriptors.into_iter().next();
                    started(id, self.processes.start_archive(id, Direction::Restore, pipe))
                }
            };
            self.connection.send(&response)?;
            // Each at once: the next may be a spawn, and take a while.
            self.connection.flush()?;
        }
        Ok(())
    }

    /// Whether to receive: not while requests are left that the host's slowness keeps from being answered.
    fn takes_requests(&self) -> bool {
        !self.connection.has_unread() && !self.connection.is_congested()
    }

    fn update_interest(&mut self) -> Result<(), ServeError> {
        let mut wanted = EpollFlags::empty();
        wanted.set(EpollFlags::EPOLLIN, self.takes_requests());
        wanted.set(EpollFlags::EPOLLOUT, self.connection.has_outgoing());
        if wanted != self.interest {
            let mut event = EpollEvent::new(wanted, EventSource::Connection.into());
            self.epoll.modify(&self.connection, &mut event).map_err(ServeError::EventLoop)?;
            self.interest = wanted;
        }
        Ok(())
    }

    /// How long to wait for an event at most.
    fn patience(&self) -> EpollTimeout {
        if self.busy
            || self.reaped == Reaped::Some
            || (self.connection.has_unread() && !self.connection.is_congested())
        {
            return EpollTimeout::ZERO;
        }
        let Some(end) = self.processes.patience_ends() else { return EpollTimeout::NONE };
        // Rounded up: a whole millisecond early would be a busy loop for its rest.
        let milliseconds = end.saturating_duration_since(Instant::now()).as_millis().saturating_add(1);
        EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX)
    }
}

/// The answer to a request that starts a process.
fn started(id: u32, outcome: Result<(), SpawnFailure>) -> Response {
    match outcome {
        Ok(()) => Response::Started { id },
        Err(failure) => Response::Refused { id, failure },
    }
}
