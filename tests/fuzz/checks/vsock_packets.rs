//! What must hold for any packets of a guest's. Used by the fuzz target and by an ordinary test.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use crate::guest::VSOCK;
use crate::peer::{DATA, Packet, Peer};
use crate::script::Script;

/// The host's ends of two streams, and what came out of them.
struct Ends {
    streams: [UnixStream; 2],
    received: usize,
}

/// Panics if the packets that `bytes` describe break the device, stop it from taking more, or make bytes out of nothing.
pub(crate) fn check(bytes: &[u8]) {
    let mut peer = Peer::new();
    let mut connections = vec![peer.open_control(b"hello")];
    let mut ends = Vec::new();
    for number in 0..2 {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        connections.push(peer.open_stream(number, theirs.as_fd()).0);
        ours.set_nonblocking(true).expect("a socket");
        ends.push(ours);
    }
    peer.guest.client.set_nonblocking(true).expect("a socket");
    let mut ends = Ends { streams: ends.try_into().expect("two"), received: 0 };

    let mut script = Script(bytes);
    let mut sent = 0;
    while let Some(packet) = act(&mut peer, &connections, &mut ends, &mut script) {
        if let Some(packet) = packet {
            if packet.operation == DATA {
                sent += packet.payload.len();
            }
            peer.send(&packet);
        }
        // Whatever comes is a packet, or this panics.
        peer.receive();
        assert!(!peer.guest.needs_reset(VSOCK), "packets alone break no queue");
        assert!(ends.received <= sent, "bytes out of nothing");
    }
}

/// The guest's next packet, if it is the guest's turn.
fn act(
    peer: &mut Peer,
    connections: &[Packet],
    ends: &mut Ends,
    script: &mut Script<'_>,
) -> Option<Option<Packet>> {
    let which = script.byte()?;
    let stream = &mut ends.streams[usize::from(which >> 4) % 2];
    match which % 8 {
        // The host's ends may be full, or gone.
        0 => _ = stream.write(&[1; 5000]),
        1 => _ = (&peer.guest.client).write(&[2; 300]),
        2 => {
            for from in [stream, &mut peer.guest.client] {
                ends.received += from.read(&mut [0; 30_000]).unwrap_or(0);
            }
        }
        3 if script.byte()?.is_multiple_of(8) => _ = stream.shutdown(std::net::Shutdown::Both),
        _ => return packet(connections, script).map(Some),
    }
    Some(None)
}

fn packet(connections: &[Packet], script: &mut Script<'_>) -> Option<Packet> {
    let connection = &connections[usize::from(script.byte()?) % connections.len()];
    let operation = script.byte()? % 10;
    let mut packet = connection.answer(operation.into());
    // Few shut down, or the rest is dull.
    let flags = script.byte()?;
    packet.flags = if flags < 32 { flags.into() } else { 0 };
    if operation == 5 {
        packet = packet.with_payload(&vec![3; usize::from(script.short()?)]);
    }
    // One field is wrong now and then.
    match script.byte()? {
        0 => packet.source = script.long()?,
        1 => packet.destination = script.long()?,
        2 => packet.source_port = script.word()?,
        3 => packet.destination_port = script.word()?,
        4 => packet.length = script.word()?,
        5 => packet.kind = script.short()?,
        6 => packet.operation = script.short()?,
        7 => packet.flags = script.word()?,
        8..16 => packet.allocation = script.word()?,
        16..64 => packet.forwarded = script.word()?,
        _ => {}
    }
    Some(packet)
}
