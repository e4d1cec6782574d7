//! The connections of a device, and which of them has something for the guest.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, EventData, EventFlags};

use super::agent::Agent;
use super::connection::{Connection, Phase};
use super::end::{End, Stream};

/// Streams at a time. Each is a descriptor of this process.
pub(crate) const MAX_STREAMS: usize = 512;
/// Bytes that a guest may have sent on a connection before they are written: 64 KiB, and more for the first few, since a
/// guest that waits for room is woken by an interrupt each time. At most 36 MiB in all, if nobody reads.
const WINDOW: u32 = 64 << 10;
const LARGE_WINDOW: u32 = 256 << 10;
/// Streams up to which a new one gets the large window: so there are never more of these.
const LARGE_WINDOWS: usize = 16;

/// All connections, by their port on the host's side.
pub(crate) struct Table {
    /// Tells which of the host's ends is ready, by that port.
    waiting: OwnedFd,
    control_port: u32,
    /// None once it is over: the agent is gone for good.
    control: Option<Connection>,
    streams: HashMap<u32, Connection>,
    next_number: u32,
    /// Ports of connections that have something for the guest, each once.
    turns: VecDeque<u32>,
}

impl Table {
    pub(crate) fn new(agent: Agent, control_port: u32) -> std::io::Result<Self> {
        let waiting = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let control = Connection::new(End::Control(agent), LARGE_WINDOW, &[]);
        let table = Self {
            waiting,
            control_port,
            control: Some(control),
            streams: HashMap::new(),
            next_number: 0,
            turns: VecDeque::new(),
        };
        if let Some(control) = &table.control {
            table.watch(control_port, control)?;
        }
        Ok(table)
    }

    /// Readable when one of the host's ends is ready.
    pub(crate) fn waiting(&self) -> BorrowedFd<'_> {
        self.waiting.as_fd()
    }

    pub(crate) fn control_port(&self) -> u32 {
        self.control_port
    }

    pub(crate) fn control(&mut self) -> Option<&mut Connection> {
        self.control.as_mut()
    }

    /// The agent's socket, while somebody needs it.
    pub(crate) fn agent(&mut self) -> Option<&mut Agent> {
        match self.control.as_mut()?.end_mut()? {
            End::Control(agent) => Some(agent),
            End::Stream(_) => None,
        }
    }

    /// The connection of this port.
    pub(crate) fn get(&mut self, port: u32) -> Option<&mut Connection> {
        if port == self.control_port { self.control.as_mut() } else { self.streams.get_mut(&port) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.control.as_ref().is_none_or(|control| control.phase() == Phase::Quiet)
    }

    /// Streams that there is room for.
    pub(crate) fn room(&self) -> usize {
        MAX_STREAMS.saturating_sub(self.streams.len())
    }

    /// Opens the next stream, over this descriptor. One that cannot be used takes its number along: the guest waits for it in
    /// vain, as for any that breaks before it is there.
    pub(crate) fn open(&mut self, descriptor: OwnedFd) {
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        let port = self.control_port.wrapping_add(1).wrapping_add(number);
        let window = if self.streams.len() < LARGE_WINDOWS { LARGE_WINDOW } else { WINDOW };
        let Ok(stream) = Stream::new(descriptor) else { return };
        let mut connection = Connection::new(End::Stream(stream), window, &number.to_le_bytes());
        connection.ask();
        if self.room() == 0 || self.get(port).is_some() || self.watch(port, &connection).is_err() {
            return;
        }
        self.streams.insert(port, connection);
        self.wake(port);
    }

    fn watch(&self, port: u32, connection: &Connection) -> rustix::io::Result<()> {
        // Once for each change: the connection remembers what it was told.
        let when = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let Some(end) = connection.end() else { return Ok(()) };
        match epoll::add(&self.waiting, end.descriptor(), EventData::new_u64(port.into()), when) {
            // An ordinary file is always ready and cannot be watched.
            Err(rustix::io::Errno::PERM) => Ok(()),
            other => other,
        }
    }

    /// Gives it a turn if it has something for the guest, and lets it go if it is done.
    pub(crate) fn wake(&mut self, port: u32) {
        let Some(connection) = self.get(port) else { return };
        let (retired, done) = (connection.retire_end(), connection.is_done());
        let turn = connection.has_packet() && !connection.queued;
        connection.queued |= turn;
        if turn {
            self.turns.push_back(port);
        }
        if let Some(end) = retired {
            self.forget(&end);
        }
        if done {
            self.remove(port);
        }
    }

    /// Whether any has something for the guest.
    pub(crate) fn has_turn(&self) -> bool {
        !self.turns.is_empty()
    }

    /// The next that has something for the guest.
    pub(crate) fn next_turn(&mut self) -> Option<(u32, &mut Connection)> {
        let port = self.turns.pop_front()?;
        let connection = self.get(port)?;
        connection.queued = false;
        Some((port, connection))
    }

    fn remove(&mut self, port: u32) {
        let gone = if port == self.control_port { self.control.take() } else { self.streams.remove(&port) };
        if let Some(end) = gone.as_ref().and_then(Connection::end) {
            self.forget(end);
        }
    }

    /// Watches it no more. Somebody else may have the same pipe, so closing alone does not end that.
    fn forget(&self, end: &End) {
        let _ = epoll::delete(&self.waiting, end.descriptor());
    }

    /// The guest's driver is gone, and what it knew with it.
    pub(crate) fn clear(&mut self) {
        let ports: Vec<u32> = self.streams.keys().copied().collect();
        ports.into_iter().for_each(|port| self.remove(port));
        if self.control.as_ref().is_some_and(|control| control.phase() != Phase::Quiet) {
            self.remove(self.control_port);
        }
        self.turns.clear();
    }
}
