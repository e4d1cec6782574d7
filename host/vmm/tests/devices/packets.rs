//! Packets as a hostile guest sends them: each ends a connection at most.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;

use vm_memory::{Bytes, GuestAddress};

use crate::guest::{BUFFERS, Guest, VSOCK, WRITE};
use crate::peer::{
    CREDIT_UPDATE, DATA, NO_RECEIVE, NO_SEND, Packet, Peer, REQUEST, RESET, RESPONSE, SHUTDOWN,
};

fn oddities(peer: &Peer) -> u64 {
    peer.guest.devices.oddities().packets
}

/// A packet of no connection.
fn stray(operation: u16) -> Packet {
    Packet {
        source: 3,
        destination: 2,
        source_port: 1025,
        destination_port: 77,
        kind: 1,
        operation,
        ..Packet::default()
    }
}

#[test]
fn a_packet_of_no_connection_is_reset() {
    let mut peer = Peer::new();
    for operation in [REQUEST, RESPONSE, SHUTDOWN, DATA, CREDIT_UPDATE, 0, 8, u16::MAX] {
        peer.send(&stray(operation));
        let answer = peer.receive_one();
        assert_eq!((answer.operation, answer.source_port, answer.destination_port), (RESET, 77, 1025));
    }
    // Never a reset for a reset.
    peer.send(&stray(RESET));
    assert_eq!(peer.receive(), []);
    assert_eq!(oddities(&peer), 9);
}

#[test]
fn a_packet_of_another_type_is_reset_with_that_type() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    for kind in [0, 2, u16::MAX] {
        peer.send(&Packet { kind, ..control.answer(DATA) });
        let answer = peer.receive_one();
        assert_eq!((answer.operation, answer.kind), (RESET, kind));
    }
    peer.send(&control.answer(DATA).with_payload(b"fine"));
    let mut read = [0; 4];
    (&peer.guest.client).read_exact(&mut read).unwrap();
}

#[test]
fn a_packet_for_somebody_else_is_dropped() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    let packet = control.answer(DATA).with_payload(b"x");
    for (source, destination) in [(2, 2), (3, 3), (0, 2), (3, 0), (u64::MAX, 2), (3, 1), (3 | 1 << 32, 2)] {
        peer.send(&Packet { source, destination, ..packet.clone() });
    }
    assert_eq!(peer.receive(), []);
    assert_eq!(oddities(&peer), 7);
}

#[test]
fn a_packet_from_another_port_does_not_reach_a_connection() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    peer.send(&Packet { source_port: 1025, ..control.answer(RESET) });
    peer.send(&control.answer(DATA).with_payload(b"fine"));
    let mut read = [0; 4];
    (&peer.guest.client).read_exact(&mut read).unwrap();
    assert_eq!(&read, b"fine");
}

#[test]
fn a_packet_without_a_whole_header_is_dropped() {
    let mut peer = Peer::new();
    for length in [0, 1, 43] {
        peer.from_guest.post(0, &[(BUFFERS, length, 0)]);
        peer.guest.serve();
        assert_eq!(peer.from_guest.take(), Some((0, 0)));
    }
    // What the device should write is no packet either.
    peer.from_guest.post(0, &[(BUFFERS, 64, WRITE)]);
    peer.guest.serve();
    assert_eq!(peer.from_guest.take(), Some((0, 0)));
    assert_eq!((peer.receive(), oddities(&peer)), (vec![], 4));
}

#[test]
fn a_violation_ends_its_connection_and_no_other() {
    let wrong: [fn(&Packet) -> Packet; 11] = [
        // Longer than it is.
        |request| Packet { length: 2, ..request.answer(DATA).with_payload(b"x") },
        |request| Packet { length: u32::MAX, ..request.answer(DATA).with_payload(b"x") },
        // No such operation.
        |request| request.answer(0),
        |request| request.answer(8),
        // Not at this time.
        |request| request.answer(REQUEST),
        |request| request.answer(RESPONSE),
        // Bytes where none belong.
        |request| request.answer(CREDIT_UPDATE).with_payload(b"x"),
        |request| request.answer(SHUTDOWN).with_flags(NO_SEND).with_payload(b"x"),
        // No such flag.
        |request| request.answer(SHUTDOWN).with_flags(4),
        |request| request.answer(SHUTDOWN).with_flags(u32::MAX),
        // To a pipe that only goes to the guest.
        |request| request.answer(DATA).with_payload(b"x"),
    ];
    for (at, wrong) in wrong.into_iter().enumerate() {
        let mut peer = Peer::new();
        let control = peer.open_control(b"hello");
        let (stream, write) = peer.open_way_in();
        peer.send(&wrong(&stream));
        let answer = peer.receive_one();
        assert_eq!((answer.operation, answer.source_port), (RESET, stream.source_port), "{at}");
        assert_eq!((&write).write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(oddities(&peer), 1);
        peer.send(&control.answer(DATA).with_payload(b"fine"));
        let mut bytes = [0; 4];
        (&peer.guest.client).read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"fine");
    }
}

#[test]
fn a_guest_that_sends_more_than_its_window_is_reset() {
    let mut peer = Peer::connected();
    let (stream, read) = peer.open_way_out();
    // Nobody reads: a pipe takes 64 KiB, the rest is held, and no more of it than the guest was told.
    let mut sent = 0;
    let answer = loop {
        peer.send(&stream.answer(DATA).with_payload(&[1; 0x8000]));
        sent += 0x8000;
        let packets = peer.receive();
        if let Some(reset) = packets.into_iter().find(|packet| packet.operation == RESET) {
            break reset;
        }
        assert!(sent < 1 << 20, "held without end");
    };
    assert_eq!(answer.source_port, stream.source_port);
    assert!(sent > stream.allocation);
    drop(read);
}

#[test]
fn bytes_after_the_last_are_a_violation() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    peer.send(&control.answer(SHUTDOWN).with_flags(NO_SEND));
    peer.send(&control.answer(DATA).with_payload(b"x"));
    let operations: Vec<_> = peer.receive().iter().map(|packet| packet.operation).collect();
    assert_eq!(operations, [RESET]);
}

#[test]
fn a_packet_after_the_last_does_not_take_back_what_came_before() {
    let mut peer = Peer::connected();
    let (stream, mut read) = peer.open_way_out();
    for _ in 0..2 {
        peer.send(&stream.answer(DATA).with_payload(&[4; 60_000]));
    }
    peer.send(&stream.answer(SHUTDOWN).with_flags(NO_SEND | NO_RECEIVE));
    for operation in [CREDIT_UPDATE, DATA, REQUEST, RESPONSE, SHUTDOWN, RESET] {
        peer.send(&stream.answer(operation).with_payload(b""));
    }
    let mut all: Vec<u8> = Vec::new();
    while all.len() < 120_000 {
        let mut some = [0; 4096];
        let length = read.read(&mut some).unwrap();
        all.extend(&some[..length]);
        peer.guest.serve();
    }
    assert!(all == [4; 120_000]);
    assert_eq!(read.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_flood_is_taken_and_answers_are_few() {
    let mut peer = Peer::without_buffers(Guest::new(Vec::new()));
    for _ in 0..10_000 {
        peer.send(&stray(REQUEST));
    }
    assert_eq!(oddities(&peer), 10_000);
    for chain in 0..32 {
        peer.give_buffer(chain);
    }
    let answers = peer.receive();
    assert_eq!(answers.len(), 64);
    assert!(answers.iter().all(|packet| packet.operation == RESET));
}

#[test]
fn a_flood_over_a_connection_is_taken_too() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    for _ in 0..10_000 {
        peer.send(&control.answer(crate::peer::CREDIT_REQUEST));
        peer.taken();
        peer.send(&control.answer(DATA));
    }
    assert!(peer.receive().len() <= 1);
    assert_eq!(oddities(&peer), 0);
}

#[test]
fn buffers_too_small_for_a_packet_break_the_device() {
    for length in [0, 43, 44] {
        let mut peer = Peer::without_buffers(Guest::new(Vec::new()));
        peer.to_guest.post(0, &[(BUFFERS, length, WRITE)]);
        (&peer.guest.client).write_all(b"hello").unwrap();
        peer.guest.serve();
        assert!(peer.guest.needs_reset(VSOCK), "{length}");
    }
    let mut peer = Peer::without_buffers(Guest::new(Vec::new()));
    peer.to_guest.post(0, &[(BUFFERS, 4096, 0)]);
    (&peer.guest.client).write_all(b"hello").unwrap();
    peer.guest.serve();
    assert!(peer.guest.needs_reset(VSOCK), "not writable");
}

#[test]
fn a_packet_may_lie_in_many_pieces() {
    let mut peer = Peer::without_buffers(Guest::new(Vec::new()));
    let pieces: Vec<_> = (0..16).map(|at| (BUFFERS + 0x100 * at, 5, WRITE)).collect();
    peer.to_guest.post(0, &pieces);
    (&peer.guest.client).write_all(b"hello").unwrap();
    peer.guest.serve();
    assert_eq!(peer.to_guest.take(), Some((0, 44)));
    // Destination port: bytes 20 to 23, so the whole of the fifth piece but one byte.
    let port: u32 = peer.guest.memory.read_obj(GuestAddress(BUFFERS + 0x400)).unwrap();
    assert_eq!(port, 1024);
}

#[test]
fn a_guest_that_closes_nothing_gets_no_more_than_so_many_streams() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    let (read, _write) = std::io::pipe().unwrap();
    let mut requests = Vec::new();
    for _ in 0..10 {
        let descriptors = vec![read.as_fd(); 100];
        peer.pass(b".", &descriptors);
        requests.extend(peer.receive().into_iter().filter(|packet| packet.operation == REQUEST));
    }
    assert!((200..=512).contains(&requests.len()), "{}", requests.len());
    // Those that wait get their turn when others have gone.
    let before = requests.len();
    for request in requests {
        peer.send(&request.answer(RESET));
    }
    let more = peer.receive().into_iter().filter(|packet| packet.operation == REQUEST).count();
    assert_eq!(before + more.min(1000 - before), before + more);
    assert!(more > 0);
    peer.send(&control.answer(SHUTDOWN).with_flags(NO_SEND | NO_RECEIVE));
}
