//! The guest's side of sockets, packet by packet.

use std::io::{IoSlice, PipeReader, PipeWriter, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd};

use mimobox_vmm::devices::Disk;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use vm_memory::{Bytes, GuestAddress};

use crate::guest::{BUFFERS, DriverQueue, Guest, KICK, VSOCK, WRITE};

pub(crate) const REQUEST: u16 = 1;
pub(crate) const RESPONSE: u16 = 2;
pub(crate) const RESET: u16 = 3;
pub(crate) const SHUTDOWN: u16 = 4;
pub(crate) const DATA: u16 = 5;
pub(crate) const CREDIT_UPDATE: u16 = 6;
pub(crate) const CREDIT_REQUEST: u16 = 7;

/// Flags of a shutdown.
pub(crate) const NO_RECEIVE: u32 = 1;
pub(crate) const NO_SEND: u32 = 2;

pub(crate) const HEADER: u64 = 44;
/// Bytes of a buffer for packets to the guest.
const ROOM: u32 = 4096;
/// What a guest says it has room for, if nothing else is said.
pub(crate) const ALLOCATION: u32 = 256 << 10;
/// Chains of each queue.
const CHAINS: u16 = 32;
/// Where packets from the guest are put: each has this much.
const OUTGOING: u64 = BUFFERS + 0x10_0000;
const OUTGOING_ROOM: u64 = 0x2_0000;

/// A packet, either way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) source: u64,
    pub(crate) destination: u64,
    pub(crate) source_port: u32,
    pub(crate) destination_port: u32,
    pub(crate) length: u32,
    pub(crate) kind: u16,
    pub(crate) operation: u16,
    pub(crate) flags: u32,
    pub(crate) allocation: u32,
    pub(crate) forwarded: u32,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    /// One of the guest's, in answer to this one.
    pub(crate) fn answer(&self, operation: u16) -> Self {
        Self {
            source: 3,
            destination: 2,
            source_port: self.destination_port,
            destination_port: self.source_port,
            kind: 1,
            operation,
            allocation: ALLOCATION,
            ..Self::default()
        }
    }

    pub(crate) fn with_flags(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn with_payload(self, payload: &[u8]) -> Self {
        Self { length: u32::try_from(payload.len()).unwrap(), payload: payload.to_vec(), ..self }
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::from(self.source.to_le_bytes());
        bytes.extend(self.destination.to_le_bytes());
        for word in [self.source_port, self.destination_port, self.length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(self.operation.to_le_bytes());
        for word in [self.flags, self.allocation, self.forwarded] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Self {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let short = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        Self {
            source: long(0),
            destination: long(8),
            source_port: word(16),
            destination_port: word(20),
            length: word(24),
            kind: short(28),
            operation: short(30),
            flags: word(32),
            allocation: word(36),
            forwarded: word(40),
            payload: bytes[44..].to_vec(),
        }
    }
}

/// A guest whose socket driver is ready.
pub(crate) struct Peer {
    pub(crate) guest: Guest,
    pub(crate) to_guest: DriverQueue,
    pub(crate) from_guest: DriverQueue,
    pub(crate) events: DriverQueue,
    sent: u16,
}

impl Peer {
    /// With buffers for what comes.
    pub(crate) fn new() -> Self {
        let mut peer = Self::without_buffers(Guest::new(Vec::<Disk>::new()));
        for chain in 0..CHAINS {
            peer.give_buffer(chain);
        }
        peer
    }

    /// With the control connection open.
    pub(crate) fn connected() -> Self {
        let mut peer = Self::new();
        peer.open_control(b"hello");
        peer
    }

    pub(crate) fn without_buffers(guest: Guest) -> Self {
        let mut queues = guest.start(VSOCK, 0, &[CHAINS, CHAINS, 8]).into_iter();
        let mut next = || queues.next().unwrap();
        Self { to_guest: next(), from_guest: next(), events: next(), guest, sent: 0 }
    }

    pub(crate) fn give_buffer(&mut self, chain: u16) {
        let place = BUFFERS + u64::from(ROOM) * u64::from(chain);
        self.to_guest.post(chain, &[(place, ROOM, WRITE)]);
    }

    /// What came, without letting the devices do anything.
    pub(crate) fn taken(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some((chain, written)) = self.to_guest.take() {
            let mut bytes = vec![0; written as usize];
            let place = BUFFERS + u64::from(ROOM) * u64::from(chain);
            self.guest.memory.read_slice(&mut bytes, GuestAddress(place)).unwrap();
            let packet = Packet::parse(&bytes);
            assert_eq!((packet.source, packet.destination), (2, 3));
            assert_eq!(packet.length as usize, packet.payload.len());
            packets.push(packet);
            self.give_buffer(chain);
        }
        packets
    }

    /// Lets the devices do all they can, and takes what comes.
    pub(crate) fn receive(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        loop {
            self.guest.serve();
            let more = self.taken();
            if more.is_empty() {
                return packets;
            }
            packets.extend(more);
        }
    }

    /// The one packet that comes.
    pub(crate) fn receive_one(&mut self) -> Packet {
        let mut packets = self.receive();
        assert_eq!(packets.len(), 1, "{packets:?}");
        packets.remove(0)
    }

    /// Sends without letting the devices do anything.
    pub(crate) fn post(&mut self, packet: &Packet) {
        let slot = self.sent % (CHAINS / 2);
        self.sent += 1;
        let place = OUTGOING + OUTGOING_ROOM * u64::from(slot);
        self.guest.memory.write_slice(&packet.header(), GuestAddress(place)).unwrap();
        self.guest.memory.write_slice(&packet.payload, GuestAddress(place + HEADER)).unwrap();
        let length = u32::try_from(packet.payload.len()).unwrap();
        let header = (place, u32::try_from(HEADER).unwrap(), 0);
        let payload = (place + HEADER, length, 0);
        let pieces = if length == 0 { vec![header] } else { vec![header, payload] };
        self.from_guest.post(slot * 2, &pieces);
    }

    /// Sends, and waits until it was taken.
    pub(crate) fn send(&mut self, packet: &Packet) {
        self.post(packet);
        self.guest.serve();
        assert!(self.from_guest.take().is_some(), "taken");
    }

    pub(crate) fn kick(&self) {
        self.guest.write(VSOCK, KICK, 0);
    }

    /// The client sends bytes and descriptors.
    pub(crate) fn pass(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = vec![MaybeUninit::uninit(); 16 + 4 * (descriptors.len() + 2)];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(descriptors.is_empty() || ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
        let sent = rustix::net::sendmsg(
            &self.guest.client,
            &[IoSlice::new(bytes)],
            &mut ancillary,
            SendFlags::empty(),
        );
        assert_eq!(sent, Ok(bytes.len()));
    }

    /// The control connection, open, after the client's first bytes. The request.
    pub(crate) fn open_control(&mut self, bytes: &[u8]) -> Packet {
        (&self.guest.client).write_all(bytes).unwrap();
        let request = self.receive_one();
        assert_eq!((request.operation, request.destination_port), (REQUEST, 1024));
        self.send(&request.answer(RESPONSE));
        let data = self.receive_one();
        assert_eq!((data.operation, data.source_port), (DATA, request.source_port));
        assert_eq!(data.payload, bytes);
        request
    }

    /// A stream over this descriptor, open. The request, and the packets after the number.
    pub(crate) fn open_stream(&mut self, number: u32, descriptor: BorrowedFd<'_>) -> (Packet, Vec<Packet>) {
        self.pass(b".", &[descriptor]);
        let packets = self.receive();
        let request = packets.into_iter().find(|packet| packet.operation == REQUEST).unwrap();
        assert_eq!(request.destination_port, 1025);
        self.send(&request.answer(RESPONSE));
        let mut packets = self.receive();
        assert_eq!(packets.remove(0).payload, number.to_le_bytes());
        (request, packets)
    }

    /// The first stream, over a pipe into the guest. The request, and the end that is written to.
    pub(crate) fn open_way_in(&mut self) -> (Packet, PipeWriter) {
        let (read, write) = std::io::pipe().unwrap();
        (self.open_stream(0, read.as_fd()).0, write)
    }

    /// The first stream, over a pipe out of the guest. The request, and the end that is read from.
    pub(crate) fn open_way_out(&mut self) -> (Packet, PipeReader) {
        let (read, write) = std::io::pipe().unwrap();
        (self.open_stream(0, write.as_fd()).0, read)
    }
}
