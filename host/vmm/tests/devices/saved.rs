//! Devices that are saved, and restored around the same memory.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use mimobox_vmm::devices::{Access, DeviceError, Devices, DevicesState, QueueError, TransportError, Wiring};
use vm_memory::{Bytes, GuestAddress};

use crate::guest::{BUFFERS, DISK, Guest, INTERRUPT, RNG, STATUS, WRITE, disks, file};
use crate::peer::{DATA, Peer};

/// The guest of these devices, restored: the same memory, a new client.
fn restored(guest: &Guest, state: &DevicesState, file: Option<(&File, u64)>) -> Result<Guest, DeviceError> {
    let (client, agent) = UnixStream::pair().unwrap();
    let disks = file.map_or(vec![], |(file, capacity)| disks(&[(file, capacity, Access::ReadOnly)]));
    let devices = Devices::restore(guest.memory.clone(), Wiring { disks, agent }, state)?;
    Ok(Guest { memory: guest.memory.clone(), devices: Arc::new(devices), client })
}

/// As it goes through a file.
fn through_bytes(state: &DevicesState) -> DevicesState {
    postcard::from_bytes(&postcard::to_allocvec(state).unwrap()).unwrap()
}

#[test]
fn a_restored_driver_goes_on_where_it_was() {
    let file = file(&[7; 4096]);
    let guest = Guest::new(disks(&[(&file, 4096, Access::ReadOnly)]));
    let mut rng = guest.start(RNG, 0, &[8]).remove(0);
    rng.post(0, &[(BUFFERS, 64, WRITE)]);
    guest.serve();
    assert_eq!(rng.take(), Some((0, 64)));
    // Made available, never served: the kick would be lost.
    rng.post(1, &[(BUFFERS, 64, WRITE)]);
    let state = through_bytes(&guest.devices.save());
    let guest = restored(&guest, &state, Some((&file, 4096))).unwrap();
    assert_eq!(guest.devices.save(), state);
    assert_eq!(guest.read(RNG, INTERRUPT), 1, "not acknowledged yet");
    guest.serve();
    assert_eq!(rng.take(), Some((1, 64)));
    assert_eq!(guest.read(DISK, STATUS), 0);
    let mut disk = guest.start(DISK, 0, &[16]).remove(0);
    guest.memory.write_slice(&[0; 16], GuestAddress(BUFFERS)).unwrap();
    disk.post(0, &[(BUFFERS, 16, 0), (BUFFERS + 512, 513, WRITE)]);
    guest.serve();
    assert_eq!(disk.take(), Some((0, 513)));
}

#[test]
fn the_device_thread_repeats_the_interrupt_of_a_restored_driver() {
    let guest = Guest::new(vec![]);
    let mut rng = guest.start(RNG, 0, &[8]).remove(0);
    rng.post(0, &[(BUFFERS, 64, WRITE)]);
    guest.serve();
    let guest = restored(&guest, &guest.devices.save(), None).unwrap();
    let line = guest.devices.connections().nth(1).unwrap().line.try_clone().unwrap();
    assert!(line.read().is_err(), "no edge yet");
    let devices = Arc::clone(&guest.devices);
    let thread = std::thread::spawn(move || devices.run());
    while line.read().is_err() {
        std::thread::yield_now();
    }
    guest.devices.stop();
    thread.join().unwrap().unwrap();
}

#[test]
fn a_machine_saved_without_connections_opens_its_first_when_restored() {
    let mut peer = Peer::new();
    peer.receive();
    let state = peer.guest.devices.save();
    peer.guest = restored(&peer.guest, &state, None).unwrap();
    peer.events.post(0, &[(BUFFERS + 0x8_0000, 4, WRITE)]);
    peer.open_control(b"hello");
    assert_eq!(peer.events.take(), None, "nothing to be told of");
}

#[test]
fn a_machine_saved_with_connections_is_told_that_they_are_gone() {
    let mut peer = Peer::new();
    let before = peer.open_control(b"hello");
    let state = through_bytes(&peer.guest.devices.save());
    peer.guest = restored(&peer.guest, &state, None).unwrap();
    peer.guest.serve();
    // The guest gives a buffer for events when it likes.
    let place = GuestAddress(BUFFERS + 0x8_0000);
    peer.guest.memory.write_obj(u32::MAX, place).unwrap();
    peer.events.post(0, &[(place.0, 4, WRITE)]);
    peer.guest.serve();
    assert_eq!(peer.events.take(), Some((0, 4)));
    assert_eq!(peer.guest.memory.read_obj::<u32>(place).unwrap(), 0, "transport reset");
    // Once, and the next connection is another.
    peer.events.post(1, &[(place.0, 4, WRITE)]);
    let after = peer.open_control(b"again");
    assert_eq!(peer.events.take(), None);
    assert_ne!(before.source_port, after.source_port);
}

#[test]
fn a_state_of_other_devices_is_refused() {
    let file = file(&[7; 4096]);
    let with_disk = Guest::new(disks(&[(&file, 4096, Access::ReadOnly)]));
    let without = Guest::new(vec![]);
    let refused = |guest: &Guest, state: &DevicesState, file| {
        matches!(restored(guest, state, file), Err(DeviceError::Differ))
    };
    assert!(refused(&without, &with_disk.devices.save(), None));
    assert!(refused(&with_disk, &without.devices.save(), Some((&file, 4096))));
    assert!(refused(&with_disk, &with_disk.devices.save(), Some((&file, 8192))));
}

#[test]
fn what_no_driver_brings_about_is_not_restored() {
    let guest = Guest::new(vec![]);
    guest.start(RNG, 0, &[8]);
    let bytes = postcard::to_allocvec(&guest.devices.save()).unwrap();
    // Accepted features: a number with bit 32 and no other, in groups of seven bits.
    let features = bytes.windows(5).position(|part| part == [0x80, 0x80, 0x80, 0x80, 0x10]).unwrap();
    // Three selectors, the status, how many queues, and the first one's size.
    let (status, size) = (features + 8, features + 10);
    assert_eq!((bytes[status], bytes[size]), (15, 8));
    let refusal = |at: usize, value: u8| {
        let mut changed = bytes.clone();
        changed[at] = value;
        let refused = restored(&guest, &postcard::from_bytes(&changed).unwrap(), None);
        let Err(DeviceError::Restore { index: 1, source }) = refused else { panic!("{at}: not refused") };
        source
    };
    assert_eq!(refusal(features + 4, 0x20), TransportError::Features(1 << 33));
    assert_eq!(refusal(status, 7), TransportError::Status(7));
    assert_eq!(refusal(status, 15 | 16), TransportError::Status(15 | 16));
    assert_eq!(refusal(size, 3), TransportError::Queue(QueueError::Size(3)));
    assert_eq!(refusal(size, 16), TransportError::Queue(QueueError::Size(16)));
}

#[test]
fn any_bytes_as_a_state_are_refused_or_harmless() {
    let peer = Peer::connected();
    let bytes = postcard::to_allocvec(&peer.guest.devices.save()).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for at in 0..bytes.len() {
        for value in [0, 1, 2, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x40, bytes[at].wrapping_add(1)] {
            let mut changed = bytes.clone();
            changed[at] = value;
            let Ok(state) = postcard::from_bytes::<DevicesState>(&changed) else { continue };
            let Ok(guest) = restored(&peer.guest, &state, None) else {
                refused += 1;
                continue;
            };
            taken += 1;
            (&guest.client).write_all(b"hello").unwrap();
            guest.serve();
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} {refused}");
}

#[test]
fn a_paused_machine_stands_still_and_goes_on() {
    let mut peer = Peer::new();
    let control = peer.open_control(b"hello");
    let devices = Arc::clone(&peer.guest.devices);
    let thread = std::thread::spawn(move || devices.run());
    peer.guest.devices.pause();
    peer.post(&control.answer(DATA).with_payload(b"held"));
    peer.kick();
    (&peer.guest.client).write_all(b"held too").unwrap();
    let state = peer.guest.devices.save();
    assert_eq!(peer.guest.devices.save(), state);
    assert_eq!(peer.taken(), []);
    peer.guest.devices.resume();
    let mut read = [0; 4];
    (&peer.guest.client).read_exact(&mut read).unwrap();
    assert_eq!(&read, b"held");
    let data = loop {
        if let Some(packet) = peer.taken().pop() {
            break packet;
        }
        std::thread::yield_now();
    };
    assert_eq!(data.payload, b"held too");
    peer.guest.devices.stop();
    thread.join().unwrap().unwrap();
    // After the end nothing begins again.
    peer.guest.devices.resume();
    peer.guest.devices.run().unwrap();
}
