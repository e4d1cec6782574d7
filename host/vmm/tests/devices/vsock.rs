//! Connections, as they should be.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use crate::guest::{Guest, VSOCK};
use crate::peer::{
    CREDIT_REQUEST, CREDIT_UPDATE, DATA, NO_RECEIVE, NO_SEND, Packet, Peer, REQUEST, RESET, RESPONSE,
    SHUTDOWN,
};

/// All bytes of these packets, which carry nothing else.
fn bytes(packets: &[Packet]) -> Vec<u8> {
    assert!(packets.iter().all(|packet| packet.operation == DATA), "{packets:?}");
    packets.iter().flat_map(|packet| packet.payload.clone()).collect()
}

fn is_silent(stream: &UnixStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let result = (&*stream).read(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn nothing_is_asked_of_a_guest_before_the_clients_first_byte() {
    let mut peer = Peer::new();
    assert_eq!(peer.receive(), []);
    let control = peer.open_control(b"hello");
    assert_eq!((control.kind, control.length), (1, 0));
    assert!(control.allocation >= 64 << 10);
}

#[test]
fn bytes_that_came_before_the_driver_are_kept() {
    let guest = Guest::new(Vec::new());
    (&guest.client).write_all(b"early").unwrap();
    guest.serve();
    let mut peer = Peer::without_buffers(guest);
    (0..8).for_each(|chain| peer.give_buffer(chain));
    let request = peer.receive_one();
    peer.send(&request.answer(RESPONSE));
    assert_eq!(bytes(&peer.receive()), b"early");
}

#[test]
fn control_bytes_go_both_ways() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    peer.send(&control.answer(DATA).with_payload(b"welcome"));
    let mut read = [0; 7];
    peer.guest.client.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"welcome");
    (&peer.guest.client).write_all(&[5; 10_000]).unwrap();
    assert_eq!(bytes(&peer.receive()), [5; 10_000]);
}

#[test]
fn a_guest_that_does_not_listen_yet_is_asked_again() {
    let mut peer = Peer::new();
    (&peer.guest.client).write_all(b"hello").unwrap();
    for _ in 0..3 {
        let request = loop {
            if let Some(packet) = peer.receive().pop() {
                break packet;
            }
        };
        assert_eq!(request.operation, REQUEST);
        peer.send(&request.answer(RESET));
        assert_eq!(peer.taken(), [], "not at once");
    }
    assert!(is_silent(&peer.guest.client));
}

#[test]
fn each_descriptor_becomes_a_stream_with_its_number() {
    let mut peer = Peer::connected();
    let pipes: Vec<_> = (0..3).map(|_| std::io::pipe().unwrap()).collect();
    let descriptors: Vec<_> = pipes.iter().map(|(read, _)| read.as_fd()).collect();
    peer.pass(b"frame", &descriptors);
    for (number, (_, write)) in (0_u8..).zip(&pipes) {
        (&*write).write_all(&[number; 3]).unwrap();
    }
    let mut packets = peer.receive();
    let requests: Vec<_> = packets.extract_if(.., |packet| packet.operation == REQUEST).collect();
    assert_eq!(bytes(&packets), b"frame");
    assert!(requests.iter().all(|request| request.destination_port == 1025));
    // Answered in another order than they came.
    for (number, request) in (0..3_u8).zip(&requests).rev() {
        peer.send(&request.answer(RESPONSE));
        let packets = peer.receive();
        assert!(packets.iter().all(|packet| packet.source_port == request.source_port));
        assert_eq!(bytes(&packets), [number, 0, 0, 0, number, number, number]);
    }
}

#[test]
fn a_stream_to_the_guest_ends_with_its_pipe() {
    let mut peer = Peer::connected();
    let (stream, write) = peer.open_way_in();
    (&write).write_all(b"the end").unwrap();
    drop(write);
    let packets = peer.receive();
    let (data, rest) = packets.split_first().unwrap();
    assert_eq!(data.payload, b"the end");
    let rest: Vec<_> = rest.iter().map(|packet| (packet.operation, packet.source_port)).collect();
    assert_eq!(rest, [(RESET, stream.source_port)]);
    // It is forgotten.
    peer.send(&stream.answer(CREDIT_UPDATE));
    assert_eq!(peer.receive_one().operation, RESET);
}

#[test]
fn an_ordinary_file_is_a_stream_too() {
    let mut peer = Peer::connected();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let (_, mut packets) = peer.open_stream(0, File::open(path).unwrap().as_fd());
    assert_eq!(packets.pop().unwrap().operation, RESET);
    assert_eq!(bytes(&packets), std::fs::read(path).unwrap());
}

#[test]
fn a_guest_that_receives_no_more_breaks_the_pipe() {
    let mut peer = Peer::connected();
    let (stream, write) = peer.open_way_in();
    peer.send(&stream.answer(SHUTDOWN).with_flags(NO_RECEIVE));
    assert_eq!(peer.receive_one().operation, RESET);
    assert_eq!((&write).write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_stream_from_the_guest_ends_its_pipe() {
    let mut peer = Peer::connected();
    let (stream, mut read) = peer.open_way_out();
    peer.send(&stream.answer(DATA).with_payload(b"out"));
    peer.send(&stream.answer(SHUTDOWN).with_flags(NO_SEND));
    assert_eq!(peer.receive_one().operation, RESET);
    let mut all = Vec::new();
    read.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"out");
}

#[test]
fn a_guest_is_told_that_nobody_reads() {
    let mut peer = Peer::connected();
    let (read, write) = std::io::pipe().unwrap();
    let (stream, _) = peer.open_stream(0, write.as_fd());
    drop((read, write));
    let packet = peer.receive_one();
    assert_eq!((packet.operation, packet.source_port), (RESET, stream.source_port));
}

#[test]
fn each_half_of_a_socket_closes_by_itself() {
    let mut peer = Peer::connected();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let (stream, _) = peer.open_stream(0, theirs.as_fd());
    drop(theirs);
    ours.shutdown(Shutdown::Write).unwrap();
    let packet = peer.receive_one();
    assert_eq!((packet.operation, packet.flags), (SHUTDOWN, NO_SEND));
    peer.send(&stream.answer(DATA).with_payload(b"still"));
    peer.send(&stream.answer(SHUTDOWN).with_flags(NO_SEND));
    assert_eq!(peer.receive_one().operation, RESET);
    let mut all = Vec::new();
    ours.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"still");
}

#[test]
fn a_guest_closes_a_socket_one_half_after_the_other() {
    let mut peer = Peer::connected();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (stream, _) = peer.open_stream(0, theirs.as_fd());
    drop(theirs);
    peer.send(&stream.answer(SHUTDOWN).with_flags(NO_SEND));
    assert_eq!(peer.receive(), []);
    assert_eq!((&ours).read(&mut [0]).unwrap(), 0);
    (&ours).write_all(b"still").unwrap();
    assert_eq!(bytes(&peer.receive()), b"still");
    peer.send(&stream.answer(SHUTDOWN).with_flags(NO_RECEIVE));
    assert_eq!(peer.receive_one().operation, RESET);
    assert_eq!((&ours).write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn what_a_guest_sent_before_it_closed_is_read_to_the_end() {
    for close in [SHUTDOWN, RESET] {
        let mut peer = Peer::connected();
        let (stream, mut read) = peer.open_way_out();
        // Two fill the pipe and more.
        for part in 0..3 {
            peer.send(&stream.answer(DATA).with_payload(&[part; 60_000]));
        }
        peer.send(&stream.answer(close).with_flags(if close == SHUTDOWN { NO_SEND | NO_RECEIVE } else { 0 }));
        let answers: Vec<_> = peer.receive().iter().map(|packet| packet.operation).collect();
        assert_eq!(answers, if close == SHUTDOWN { vec![RESET] } else { vec![] });
        let mut all: Vec<u8> = Vec::new();
        while all.len() < 180_000 {
            let mut some = [0; 4096];
            let length = read.read(&mut some).unwrap();
            all.extend(&some[..length]);
            peer.guest.serve();
        }
        assert!(all.chunks(60_000).zip(0..).all(|(part, number)| part == [number; 60_000]));
        assert_eq!(read.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_guest_gets_no_more_than_it_has_room_for() {
    let mut peer = Peer::connected();
    let (read, write) = std::io::pipe().unwrap();
    peer.pass(b".", &[read.as_fd()]);
    (&write).write_all(&[1; 20_000]).unwrap();
    let request = peer.receive().into_iter().find(|packet| packet.operation == REQUEST).unwrap();
    let small = |forwarded, operation| Packet { allocation: 5000, forwarded, ..request.answer(operation) };
    peer.send(&small(0, RESPONSE));
    assert_eq!(bytes(&peer.receive()).len(), 5000);
    peer.send(&small(4000, CREDIT_UPDATE));
    assert_eq!(bytes(&peer.receive()).len(), 4000);
    // A guest that has passed on more than it got is not believed.
    peer.send(&small(9001, CREDIT_UPDATE));
    assert_eq!(peer.receive(), []);
    peer.send(&small(9000, CREDIT_UPDATE));
    assert_eq!(bytes(&peer.receive()).len(), 5000);
}

#[test]
fn a_guest_is_told_of_room_when_a_slow_reader_has_read() {
    let mut peer = Peer::connected();
    let (stream, read) = peer.open_way_out();
    let window = stream.allocation as usize;
    let mut sent = 0;
    while sent < window {
        let length = (window - sent).min(0x1_0000);
        peer.send(&stream.answer(DATA).with_payload(&vec![9; length]));
        sent += length;
    }
    peer.receive();
    let mut received = 0;
    while received < window {
        received += (&read).read(&mut [0; 4096]).unwrap();
        peer.guest.serve();
    }
    let last = peer.receive().pop().unwrap();
    assert_eq!(last.operation, CREDIT_UPDATE);
    assert!(last.forwarded as usize >= window / 2, "room for half a window: {}", last.forwarded);
    // And it may use that.
    peer.send(&stream.answer(DATA).with_payload(&vec![9; (window / 2).min(0x1_0000)]));
    assert!(peer.receive().iter().all(|packet| packet.operation == CREDIT_UPDATE));
}

#[test]
fn a_guest_that_asks_for_credit_is_told() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    peer.send(&control.answer(DATA).with_payload(b"123"));
    peer.send(&control.answer(CREDIT_REQUEST));
    let packet = peer.receive_one();
    assert_eq!((packet.operation, packet.forwarded), (CREDIT_UPDATE, 3));
}

#[test]
fn the_client_is_told_when_the_guest_closes_its_control_connection() {
    for (close, flags) in [(SHUTDOWN, NO_SEND | NO_RECEIVE), (RESET, 0)] {
        let mut peer = Peer::new();
        let control = peer.open_control(b"hello");
        peer.send(&control.answer(close).with_flags(flags));
        assert_eq!((&peer.guest.client).read(&mut [0]).unwrap(), 0);
        assert!((&peer.guest.client).write_all(b"x").is_err());
    }
}

#[test]
fn the_guest_is_told_when_the_client_is_gone() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    peer.guest.client.shutdown(Shutdown::Write).unwrap();
    let packet = peer.receive_one();
    assert_eq!((packet.operation, packet.flags), (SHUTDOWN, NO_SEND));
    peer.send(&control.answer(DATA).with_payload(b"last words"));
    let mut read = [0; 10];
    (&peer.guest.client).read_exact(&mut read).unwrap();
    assert_eq!(&read, b"last words");
    let (client, _) = UnixStream::pair().unwrap();
    peer.guest.client = client;
    assert_eq!(peer.receive_one().operation, RESET);
}

#[test]
fn a_driver_that_starts_anew_ends_all_connections() {
    let mut peer = Peer::connected();
    let (read, write) = std::io::pipe().unwrap();
    peer.open_stream(0, read.as_fd());
    drop(read);
    peer.guest.write(VSOCK, crate::guest::STATUS, 0);
    assert_eq!((&write).write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!((&peer.guest.client).read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_a_guest_has_room_for_is_sent_without_being_asked() {
    let mut peer = Peer::connected();
    let (read, write) = std::io::pipe().unwrap();
    let (_, _) = peer.open_stream(0, read.as_fd());
    (&write).write_all(&[3; 60_000]).unwrap();
    let packets = peer.receive();
    assert_eq!(bytes(&packets), vec![3; 60_000]);
    assert!(packets.len() <= 60_000_usize.div_ceil(4096 - 44) + 1, "full packets");
}
