//! One connection: what was agreed with the guest, and what goes on at the host's end.
//!
//! ```text
//!            wanted            request sent          response
//!   quiet ───────────► asking ─────────────► waiting ─────────► open ──► over: reset sent, or received
//!     ▲                                         │                │
//!     └───── refused: control asks again ───────┘                │  each direction ends by itself:
//!                                                                ├─ to the guest: the host's end is read to its end,
//!                                                                │                or the guest receives no more
//!                                                                └─ from the guest: it sends no more and all is written,
//!                                                                                or nobody reads the host's end
//! ```
//!
//! When both directions have ended the guest gets a reset, at once and without a shutdown before: Linux keeps what it has
//! received and then says end of file, so one packet does what three would.

use std::collections::VecDeque;

use super::credit::{Inbound, Outbound};
use super::end::{End, Read, Written};
use super::packet::{Header, Operation, shutdown};
use crate::devices::chain::Buffers;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The guest knows nothing of it.
    Quiet,
    /// A request is to be sent.
    Asking,
    /// The guest has not answered.
    Waiting,
    Open,
    /// The guest gets a reset, or has sent one. What it sent before that is still written.
    Over,
}

/// One connection of the host's to the guest.
#[derive(Debug)]
pub(crate) struct Connection {
    /// None once both directions have ended: whoever is at its other side does not wait for the guest to take its reset.
    end: Option<End>,
    phase: Phase,
    inbound: Inbound,
    outbound: Outbound,
    /// Comes before all that is read at the host's end.
    prefix: VecDeque<u8>,
    /// Bytes of the guest's that the host's end did not take. No more than the window.
    backlog: VecDeque<u8>,
    /// The host's end may have something; it says so once.
    readable: bool,
    /// The host's end may take something; it says so once.
    writable: bool,
    to_guest_ended: bool,
    from_guest_ended: bool,
    /// The guest sends nothing more; what it sent may be in the backlog.
    guest_finished: bool,
    /// Flags of a shutdown that the guest was told, and is to be told.
    told: u32,
    to_tell: u32,
    reset_wanted: bool,
    credit_wanted: bool,
    /// It is in the queue of those that have something for the guest.
    pub(crate) queued: bool,
}

/// The guest did what no guest does: its connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation;

impl Connection {
    /// A connection that the guest knows nothing of. It may send so many bytes before they are written, if any.
    pub(crate) fn new(end: End, window: u32, prefix: &[u8]) -> Self {
        let (to_guest, from_guest) = end.directions();
        Self {
            end: Some(end),
            phase: Phase::Quiet,
            inbound: Inbound::new(if from_guest { window } else { 0 }),
            outbound: Outbound::default(),
            prefix: prefix.iter().copied().collect(),
            backlog: VecDeque::new(),
            readable: true,
            writable: true,
            to_guest_ended: !to_guest,
            from_guest_ended: !from_guest,
            guest_finished: false,
            told: 0,
            to_tell: 0,
            reset_wanted: false,
            credit_wanted: false,
            queued: false,
        }
    }

    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    pub(crate) fn end_mut(&mut self) -> Option<&mut End> {
        self.end.as_mut()
    }

    /// Hands the host's end out, to be closed, once neither direction needs it.
    pub(crate) fn retire_end(&mut self) -> Option<End> {
        let over = self.to_guest_ended && self.from_guest_ended;
        if over { self.end.take() } else { None }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Asks the guest for it.
    pub(crate) fn ask(&mut self) {
        if self.phase == Phase::Quiet {
            self.phase = Phase::Asking;
        }
    }

    /// Nothing is left to do: neither side needs it any more.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Over && !self.reset_wanted && (self.backlog.is_empty() || self.from_guest_ended)
    }

    /// The host's end says that something changed.
    pub(crate) fn host_ready(&mut self, readable: bool, writable: bool, hung_up: bool) {
        self.readable |= readable || hung_up;
        self.writable |= writable;
        if hung_up {
            self.nobody_reads();
        }
        self.write_backlog();
    }

    /// There is more to read at the host's end.
    pub(crate) fn may_read(&mut self) {
        self.readable = true;
    }

    /// A packet of the guest's for this connection. `payload` is as long as the header says.
    pub(crate) fn receive(
        &mut self,
        header: &Header,
        operation: Operation,
        payload: &Buffers<'_>,
    ) -> Result<(), Violation> {
        if operation == Operation::Reset {
            self.be_reset();
            return Ok(());
        }
        if operation != Operation::Data && header.length != 0 {
            return Err(Violation);
        }
        match (operation, self.phase) {
            // It crosses the reset, or comes from a guest that does not care. What came before it is still to be written.
            (_, Phase::Over) => return Ok(()),
            (Operation::Response, Phase::Waiting) => self.phase = Phase::Open,
            (
                Operation::Data | Operation::CreditUpdate | Operation::CreditRequest | Operation::Shutdown,
                Phase::Open,
            ) => {}
            _ => return Err(Violation),
        }
        self.outbound.update(header.allocation, header.forwarded);
        match operation {
            Operation::Data => self.take(header.length, payload),
            Operation::Shutdown => self.guest_shuts_down(header.flags),
            Operation::CreditRequest => {
                self.credit_wanted = true;
                Ok(())
            }
            _ => {
                self.settle();
                Ok(())
            }
        }
    }

    fn take(&mut self, length: u32, payload: &Buffers<'_>) -> Result<(), Violation> {
        if self.guest_finished || !self.inbound.receive(length) {
            return Err(Violation);
        }
        if self.from_guest_ended {
            // Nobody reads it any more; the guest may not know that yet.
            self.inbound.forward(payload.len());
            return Ok(());
        }
        let mut rest = payload.clone();
        while self.backlog.is_empty() && self.writable && !rest.slices().is_empty() {
            match self.end.as_ref().map_or(Written::Broken, |end| end.write(&rest)) {
                Written::Bytes(written) => {
                    self.inbound.forward(written);
                    rest.split_first(written);
                }
                Written::Nothing => self.writable = false,
                Written::Broken => {
                    self.inbound.forward(rest.len());
                    self.nobody_reads();
                    return Ok(());
                }
            }
        }
        rest.append_to(&mut self.backlog);
        Ok(())
    }

    fn write_backlog(&mut self) {
        while self.writable && !self.backlog.is_empty() {
            let held = self.backlog.as_slices().0;
            match self.end.as_ref().map_or(Written::Broken, |end| end.write_bytes(held)) {
                Written::Bytes(written) => {
                    self.inbound.forward(written);
                    self.backlog.drain(..written);
                }
                Written::Nothing => self.writable = false,
                Written::Broken => self.nobody_reads(),
            }
        }
        if self.backlog.is_empty() {
            // Only a slow reader costs memory, and only while it is slow.
            self.backlog = VecDeque::new();
            if self.guest_finished && !self.from_guest_ended {
                self.from_guest_ended = true;
                self.end.iter().for_each(End::finish_writing);
                self.settle();
            }
        }
    }

    /// What the guest sends goes nowhere any more.
    fn nobody_reads(&mut self) {
        if !self.from_guest_ended {
            self.from_guest_ended = true;
            self.inbound.forward(self.backlog.len());
            self.to_tell |= shutdown::RECEIVE;
        }
        self.backlog = VecDeque::new();
        self.settle();
    }

    fn guest_shuts_down(&mut self, flags: u32) -> Result<(), Violation> {
        if flags & !shutdown::BOTH != 0 {
            return Err(Violation);
        }
        if flags & shutdown::RECEIVE != 0 && !self.to_guest_ended {
            self.to_guest_ended = true;
            self.prefix.clear();
            self.end.iter().for_each(End::finish_reading);
        }
        if flags & shutdown::SEND != 0 {
            self.guest_finished = true;
            self.write_backlog();
        }
        if flags & shutdown::BOTH == shutdown::BOTH {
            // The guest waits for a reset, however long the backlog takes.
            self.finish();
        }
        self.settle();
        Ok(())
    }

    /// The guest has thrown it away. What it sent before is still written.
    fn be_reset(&mut self) {
        self.phase = Phase::Over;
        self.reset_wanted = false;
        self.to_guest_ended = true;
        self.end.iter().for_each(End::finish_reading);
        self.guest_finished = true;
        self.write_backlog();
    }

    /// Throws it away, and what the guest sent with it.
    pub(crate) fn abandon(&mut self) {
        self.backlog = VecDeque::new();
        self.from_guest_ended = true;
        self.to_guest_ended = true;
        self.finish();
    }

    fn finish(&mut self) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.reset_wanted = true;
        }
    }

    fn settle(&mut self) {
        if self.phase == Phase::Open && self.to_guest_ended && self.prefix.is_empty() && self.from_guest_ended
        {
            self.finish();
        }
    }

    /// The guest has refused: it is as if it had never been asked.
    pub(crate) fn forget_request(&mut self) {
        self.phase = Phase::Quiet;
    }

    /// Whether [`next_packet`](Self::next_packet) may have something, so that it is worth asking.
    pub(crate) fn has_packet(&self) -> bool {
        match self.phase {
            Phase::Asking => true,
            Phase::Quiet | Phase::Waiting => false,
            Phase::Over => self.reset_wanted,
            Phase::Open => {
                let data = self.outbound.room() > 0
                    && (!self.prefix.is_empty() || (self.readable && !self.to_guest_ended));
                data || self.to_tell & !self.told != 0 || self.credit_wanted || self.inbound.worth_telling()
            }
        }
    }

    /// The next packet for the guest, its bytes put into `payload`. None if there turns out to be none.
    pub(crate) fn next_packet(&mut self, payload: &Buffers<'_>) -> Option<Header> {
        let packet = match self.phase {
            Phase::Quiet | Phase::Waiting => return None,
            Phase::Over => {
                let wanted = std::mem::take(&mut self.reset_wanted);
                wanted.then(|| Header::default().with(Operation::Reset))?
            }
            Phase::Asking => {
                self.phase = Phase::Waiting;
                Header::default().with(Operation::Request)
            }
            Phase::Open => self.next_of_open(payload)?,
        };
        self.credit_wanted = false;
        Some(Header { allocation: self.inbound.window(), forwarded: self.inbound.tell(), ..packet })
    }

    fn next_of_open(&mut self, payload: &Buffers<'_>) -> Option<Header> {
        if let Some(length) = self.send(payload) {
            return Some(Header { length, ..Header::default().with(Operation::Data) });
        }
        if self.phase == Phase::Over {
            self.reset_wanted = false;
            return Some(Header::default().with(Operation::Reset));
        }
        let flags = self.to_tell & !self.told;
        if flags != 0 {
            self.told |= flags;
            return Some(Header { flags, ..Header::default().with(Operation::Shutdown) });
        }
        let tell = self.credit_wanted || self.inbound.worth_telling();
        tell.then(|| Header::default().with(Operation::CreditUpdate))
    }

    /// Puts bytes into `payload`, as many as it and the guest have room for.
    fn send(&mut self, payload: &Buffers<'_>) -> Option<u32> {
        let room = usize::try_from(self.outbound.room()).unwrap_or(usize::MAX);
        let into = payload.clone().split_first(room);
        if into.slices().is_empty() {
            return None;
        }
        let sent = if self.prefix.is_empty() { self.read(&into)? } else { self.send_prefix(&into) };
        let sent = u32::try_from(sent).ok()?;
        self.outbound.send(sent);
        Some(sent)
    }

    fn send_prefix(&mut self, into: &Buffers<'_>) -> usize {
        let bytes: Vec<u8> = self.prefix.iter().copied().collect();
        let sent = into.write(&bytes);
        self.prefix.drain(..sent);
        self.settle();
        sent
    }

    fn read(&mut self, into: &Buffers<'_>) -> Option<usize> {
        if !self.readable || self.to_guest_ended {
            return None;
        }
        match self.end.as_mut().map_or(Read::End, |end| end.read(into)) {
            Read::Bytes(read) => return Some(read),
            Read::Nothing => self.readable = false,
            Read::End => {
                self.to_guest_ended = true;
                self.to_tell |= shutdown::SEND;
                self.settle();
            }
        }
        None
    }
}
