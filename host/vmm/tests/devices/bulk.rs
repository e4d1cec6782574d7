//! Much of it, both ways, with the device thread running and slow readers.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::peer::{CREDIT_UPDATE, DATA, NO_RECEIVE, NO_SEND, Packet, Peer, RESET, RESPONSE, SHUTDOWN};

const TOTAL: usize = 64 << 20;

/// Byte number so and so of what goes over.
fn byte(at: usize) -> u8 {
    let at = u32::try_from(at).unwrap();
    (at.wrapping_mul(2_654_435_761) >> 24) as u8
}

fn block(begin: usize, length: usize) -> Vec<u8> {
    (begin..begin + length).map(byte).collect()
}

/// Reads to the end, slowly now and then, and looks at each byte.
fn read_slowly(mut from: impl Read) -> usize {
    let mut all = 0;
    let mut bytes = vec![0; 100_000];
    loop {
        let length = from.read(&mut bytes).unwrap();
        if length == 0 {
            return all;
        }
        assert!(bytes[..length] == block(all, length), "at {all}");
        if all / (8 << 20) != (all + length) / (8 << 20) {
            thread::sleep(Duration::from_millis(20));
        }
        all += length;
    }
}

struct Running(Peer, Option<thread::JoinHandle<()>>);

impl Running {
    fn new(peer: Peer) -> Self {
        let devices = Arc::clone(&peer.guest.devices);
        Self(peer, Some(thread::spawn(move || devices.run().unwrap())))
    }

    /// What came; the device thread has a moment if nothing did.
    fn taken(&mut self) -> Vec<Packet> {
        let packets = self.0.taken();
        if packets.is_empty() {
            thread::yield_now();
        } else {
            self.0.kick();
        }
        packets
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.guest.devices.stop();
        self.1.take().unwrap().join().unwrap();
    }
}

#[test]
fn all_bytes_reach_the_guest() {
    let mut peer = Peer::connected();
    let (stream, write) = peer.open_way_in();
    let mut running = Running::new(peer);
    let writer = thread::spawn(move || {
        for begin in (0..TOTAL).step_by(1 << 18) {
            (&write).write_all(&block(begin, 1 << 18)).unwrap();
        }
    });
    // The number was four bytes.
    let (mut received, mut told) = (4, 0);
    'all: loop {
        for packet in running.taken() {
            if packet.operation == RESET {
                break 'all;
            }
            assert_eq!(packet.operation, DATA);
            assert!(packet.payload == block(received - 4, packet.payload.len()), "at {received}");
            received += packet.payload.len();
        }
        if received - told > 100_000 {
            told = received;
            let forwarded = u32::try_from(received).unwrap();
            running.0.post(&Packet { forwarded, ..stream.answer(CREDIT_UPDATE) });
            running.0.kick();
            while running.0.from_guest.take().is_none() {
                thread::yield_now();
            }
        }
    }
    writer.join().unwrap();
    assert_eq!(received - 4, TOTAL);
}

#[test]
fn all_bytes_reach_a_slow_reader() {
    let mut peer = Peer::connected();
    let (stream, read) = peer.open_way_out();
    let window = stream.allocation as usize;
    let mut running = Running::new(peer);
    let reader = thread::spawn(move || read_slowly(read));
    let (mut sent, mut forwarded) = (0, 0);
    let mut in_flight = 0;
    while sent < TOTAL {
        for packet in running.taken() {
            assert_eq!(packet.operation, CREDIT_UPDATE);
            forwarded = packet.forwarded as usize;
        }
        let length = (TOTAL - sent).min(0x1_0000).min(window - (sent - forwarded));
        if length > 0 && in_flight < 8 {
            running.0.post(&stream.answer(DATA).with_payload(&block(sent, length)));
            running.0.kick();
            sent += length;
            in_flight += 1;
        }
        while running.0.from_guest.take().is_some() {
            in_flight -= 1;
        }
    }
    running.0.post(&stream.answer(SHUTDOWN).with_flags(NO_SEND | NO_RECEIVE));
    running.0.kick();
    let last = loop {
        if let Some(last) = running.taken().into_iter().find(|packet| packet.operation != CREDIT_UPDATE) {
            break last;
        }
    };
    assert_eq!(last.operation, RESET);
    assert_eq!(reader.join().unwrap(), TOTAL);
}

#[test]
fn many_streams_at_once_do_not_mix() {
    const STREAMS: u32 = 40;
    let mut peer = Peer::connected();
    let pipes: Vec<_> = (0..STREAMS).map(|_| std::io::pipe().unwrap()).collect();
    let writes: Vec<_> = pipes.iter().map(|(_, write)| write.as_fd()).collect();
    peer.pass(b".", &writes);
    let requests: Vec<_> =
        peer.receive().into_iter().filter(|packet| packet.destination_port == 1025).collect();
    assert_eq!(requests.len(), STREAMS as usize);
    for request in &requests {
        peer.send(&request.answer(RESPONSE));
    }
    peer.receive();
    // More than a pipe takes, so that some of each is held.
    for round in 0..2 {
        for (number, request) in (0_u8..).zip(&requests) {
            peer.send(&request.answer(DATA).with_payload(&[number + round; 50_000]));
        }
    }
    let mut running = Running::new(peer);
    for request in &requests {
        running.0.post(&request.answer(SHUTDOWN).with_flags(NO_SEND | NO_RECEIVE));
        running.0.kick();
        while running.0.from_guest.take().is_none() {
            running.taken();
        }
    }
    for (number, (mut read, write)) in (0_u8..).zip(pipes) {
        drop(write);
        let mut all = Vec::new();
        read.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 100_000);
        assert!(all[..50_000].iter().all(|byte| *byte == number));
        assert!(all[50_000..].iter().all(|byte| *byte == number + 1));
    }
}
