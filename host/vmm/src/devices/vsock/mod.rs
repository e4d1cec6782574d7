//! The socket device: section 5.10 of virtio 1.2. Its host's end is the agent's client, over one Unix socket.
//!
//! ```text
//!   agent's client                         this device                                guest
//!     socket: bytes ──────────────────────► control connection ─────────────────────► port 1024
//!     descriptor number n, with the bytes ► stream n, which begins with n ──────────► port 1025
//!     its other end: a pipe, a terminal ◄─► (four bytes, little endian)
//! ```
//!
//! All connections are made by the host. The control connection is opened when the client's first byte comes, so none is
//! open in a machine that was saved before. What goes over a stream is copied once, between the pipe and guest memory; only
//! what a pipe does not take at once is held here, no more than the window that its guest was given.
//!
//! The guest is hostile. A packet that makes no sense ends its connection, one of no connection is answered by a reset, and
//! whatever is addressed to somebody else is dropped; all of them are counted. Answers are few too: a guest that does not
//! take them loses them.

mod agent;
mod connection;
mod credit;
mod end;
mod packet;
mod table;

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventFlags};

use agent::{Agent, MAX_DESCRIPTORS, Taken};
use connection::Phase;
use packet::{HEADER, Header, Operation, STREAM};
use table::Table;

use super::chain::{Buffers, Chain};
use super::model::{Model, Progress};
use super::ring::{Ring, RingError};

/// Device ID: section 5.10.1.
const KIND: u32 = 19;
/// Addresses of host and guest: section 5.10.4.
const HOST: u64 = 2;
const GUEST: u64 = 3;
/// Ports where the guest listens.
const CONTROL_PORT: u32 = 1024;
const STREAM_PORT: u32 = 1025;
/// To the guest, from the guest, events: section 5.10.2. The guest fills the first with buffers
/// of a page when it starts, which should be few, and enough for the 256 KiB that Linux has room for on a connection.
const QUEUES: [u16; 3] = [64, 64, 8];
/// `VIRTIO_VSOCK_EVENT_TRANSPORT_RESET`: section 5.10.6.7.
const TRANSPORT_RESET: u32 = 0;
/// Answers that wait for a guest without room for them. The rest is lost.
const MAX_REFUSALS: usize = 64;
/// Host's ends that are looked at in one turn.
const EVENTS: usize = 64;
/// A guest that does not listen yet is asked again after this, then after twice that, and so on.
const FIRST_RETRY: Duration = Duration::from_millis(10);
const LAST_RETRY: Duration = Duration::from_millis(320);

/// The device.
pub(crate) struct Vsock {
    table: Table,
    configuration: [u8; 8],
    /// The agent's socket may have something; it says so once.
    agent_readable: bool,
    /// Resets for packets of no connection.
    refusals: VecDeque<Header>,
    retry: Duration,
    retry_at: Option<Instant>,
    /// The guest was restored and believes in connections that there are none of.
    reset_wanted: bool,
    malformed: u64,
}

impl Vsock {
    pub(crate) fn new(agent: UnixStream) -> std::io::Result<Self> {
        // Elsewhere each time: a restored guest may remember ports of an earlier life.
        let mut port = [0; 4];
        rustix::rand::getrandom(&mut port, rustix::rand::GetRandomFlags::empty())?;
        let control_port = u32::from_le_bytes(port) >> 1 | 1 << 16;
        Ok(Self {
            table: Table::new(Agent::new(agent)?, control_port)?,
            configuration: GUEST.to_le_bytes(),
            agent_readable: true,
            refusals: VecDeque::new(),
            retry: FIRST_RETRY,
            retry_at: None,
            reset_wanted: false,
            malformed: 0,
        })
    }

    /// Which of the host's ends changed.
    fn look_at_host(&mut self) -> Progress {
        let mut events = Vec::with_capacity(EVENTS);
        let at_once = rustix::event::Timespec::default();
        if epoll::wait(self.table.waiting(), spare_capacity(&mut events), Some(&at_once)).is_err() {
            // A signal came first.
            return Progress::More;
        }
        let progress = if events.len() == EVENTS { Progress::More } else { Progress::Idle };
        for event in events {
            let Ok(port) = u32::try_from(event.data.u64()) else { continue };
            let flags = event.flags;
            let hung_up = flags.intersects(EventFlags::HUP | EventFlags::ERR);
            let mut readable = flags.intersects(EventFlags::IN | EventFlags::RDHUP);
            if port == self.table.control_port() {
                // Its bytes are taken ahead, not read by the connection.
                self.agent_readable |= readable || hung_up;
                readable = false;
            }
            if let Some(connection) = self.table.get(port) {
                connection.host_ready(readable, flags.contains(EventFlags::OUT), hung_up);
                self.table.wake(port);
            }
        }
        progress
    }

    /// Takes bytes and descriptors of the client's, if there is room for what may come.
    fn take_from_agent(&mut self) {
        if !self.wants_agent() {
            return;
        }
        let taken = self.table.agent().map_or(Taken::Nothing, Agent::take);
        self.agent_readable = matches!(taken, Taken::Some(_));
        match taken {
            Taken::Some(descriptors) => {
                descriptors.into_iter().for_each(|descriptor| self.table.open(descriptor));
            }
            Taken::Nothing => {}
            Taken::End => self.offer_agent(),
        }
    }

    fn wants_agent(&mut self) -> bool {
        let room = self.table.room() >= MAX_DESCRIPTORS;
        self.agent_readable && room && self.table.agent().is_some_and(|agent| !agent.is_full())
    }

    /// Asks the guest for the control connection, if there are bytes for it.
    fn ask_for_control(&mut self) {
        let full = self.table.agent().is_some_and(|agent| agent.is_full());
        if full && self.retry_at.is_none() {
            self.table.control().iter_mut().for_each(|control| control.ask());
        }
        if full {
            self.offer_agent();
        }
    }

    /// The control connection has bytes of the client's, or their end.
    fn offer_agent(&mut self) {
        self.table.control().iter_mut().for_each(|control| control.may_read());
        self.table.wake(self.table.control_port());
    }

    /// A packet of the guest's.
    fn hear(&mut self, chain: Chain<'_>) {
        let mut rest = chain.readable;
        let Some(header) = rest.split_first(HEADER).read().map(|bytes| Header::decode(&bytes)) else {
            self.malformed += 1;
            return;
        };
        if header.source != GUEST || header.destination != HOST {
            self.malformed += 1;
            return;
        }
        let payload = usize::try_from(header.length).ok().filter(|length| *length <= rest.len());
        let payload = payload.map(|length| rest.split_first(length));
        let port = header.destination_port;
        let (control_port, operation) = (self.table.control_port(), header.operation());
        let there = if port == control_port { CONTROL_PORT } else { STREAM_PORT };
        let (Some(connection), true) =
            (self.table.get(port), header.source_port == there && header.kind == STREAM)
        else {
            self.refuse(&header);
            return;
        };
        if port == control_port && operation == Some(Operation::Reset) && connection.phase() == Phase::Waiting
        {
            // It does not listen yet.
            connection.forget_request();
            self.retry_at = Some(Instant::now() + self.retry);
            self.retry = (self.retry * 2).min(LAST_RETRY);
            return;
        }
        let received = match (operation, payload) {
            (Some(operation), Some(payload)) => connection.receive(&header, operation, &payload).is_ok(),
            _ => false,
        };
        if !received {
            connection.abandon();
            self.malformed += 1;
        }
        self.table.wake(port);
    }

    /// Answers a packet of no connection. A reset is not answered, or two that are wrong would never stop.
    fn refuse(&mut self, header: &Header) {
        self.malformed += 1;
        if header.operation() == Some(Operation::Reset) || self.refusals.len() == MAX_REFUSALS {
            return;
        }
        let answer = Header {
            source_port: header.destination_port,
            destination_port: header.source_port,
            kind: header.kind,
            ..Header::default()
        };
        self.refusals.push_back(answer.with(Operation::Reset));
    }

    /// Fills the guest's buffers with what there is for it, one packet of each connection after the other.
    fn tell(&mut self, ring: &mut Ring<'_, '_>) -> Result<Progress, RingError> {
        ring.ask_for_silence()?;
        let mut chain = None;
        for _ in 0..ring.size() {
            while chain.is_none() && self.has_packet() {
                chain = ring.take()?;
                if chain.is_none() && !ring.ask_for_kick()? {
                    // It has no room: it will kick when it has.
                    return Ok(Progress::Idle);
                }
            }
            let Some(Chain { head, writable, .. }) = chain.take() else { return Ok(Progress::Idle) };
            let mut payload = writable.clone();
            let place = payload.split_first(HEADER);
            if place.len() < HEADER || payload.len() == 0 {
                return Err(RingError::NoAnswer);
            }
            match self.next_packet(&payload) {
                Some(header) => {
                    place.write(&header.encode());
                    ring.give_back(head, HEADER + header.length as usize)?;
                }
                None => ring.put_back(),
            }
        }
        Ok(Progress::More)
    }

    fn has_packet(&self) -> bool {
        !self.refusals.is_empty() || self.table.has_turn()
    }

    /// The next packet, from whichever connection has one.
    fn next_packet(&mut self, payload: &Buffers<'_>) -> Option<Header> {
        if let Some(refusal) = self.refusals.pop_front() {
            return Some(Header { source: HOST, destination: GUEST, ..refusal });
        }
        while self.table.has_turn() {
            let Some((port, connection)) = self.table.next_turn() else { continue };
            let packet = connection.next_packet(payload);
            self.table.wake(port);
            let there = if port == self.table.control_port() { CONTROL_PORT } else { STREAM_PORT };
            if let Some(packet) = packet {
                return Some(Header {
                    source: HOST,
                    destination: GUEST,
                    source_port: port,
                    destination_port: there,
                    kind: STREAM,
                    ..packet
                });
            }
        }
        None
    }

    /// Tells a restored guest that its connections are gone.
    fn tell_reset(&mut self, events: &mut Ring<'_, '_>) -> Result<(), RingError> {
        while self.reset_wanted {
            if let Some(chain) = events.take()? {
                let written = chain.writable.write(&TRANSPORT_RESET.to_le_bytes());
                events.give_back(chain.head, written)?;
                self.reset_wanted = false;
            } else if !events.ask_for_kick()? {
                break;
            }
        }
        Ok(())
    }
}

impl Model for Vsock {
    fn kind(&self) -> u32 {
        KIND
    }

    fn features(&self) -> u64 {
        // Streams are what there is without any: section 5.10.3.
        0
    }

    fn configuration(&self) -> &[u8] {
        &self.configuration
    }

    fn queues(&self) -> &'static [u16] {
        &QUEUES
    }

    fn serve(&mut self, rings: &mut [Ring<'_, '_>]) -> Result<Progress, RingError> {
        let [to_guest, from_guest, events] = rings else { return Ok(Progress::Idle) };
        if self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.retry_at = None;
        }
        self.tell_reset(events)?;
        let looked = self.look_at_host();
        let heard = from_guest.serve(|chain| {
            self.hear(chain);
            Ok(0)
        })?;
        self.take_from_agent();
        self.ask_for_control();
        let told = self.tell(to_guest)?;
        let more = [looked, heard, told].contains(&Progress::More) || self.wants_agent();
        Ok(if more { Progress::More } else { Progress::Idle })
    }

    fn reset(&mut self) {
        self.table.clear();
        self.refusals.clear();
        self.retry_at = None;
        self.retry = FIRST_RETRY;
        self.reset_wanted = false;
    }

    fn source(&self) -> Option<BorrowedFd<'_>> {
        Some(self.table.waiting())
    }

    fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    fn is_engaged(&self) -> bool {
        self.reset_wanted || !self.table.is_empty()
    }

    fn disengage(&mut self) {
        self.reset_wanted = true;
    }

    fn oddities(&self) -> u64 {
        self.malformed
    }
}
