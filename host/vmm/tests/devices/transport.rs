//! Registers, and in which order a driver may use them.

use mimobox_vmm::devices::Access;
use mimobox_vmm::layout::{DEVICE_SIZE, DEVICES};
use vm_memory::{Bytes, GuestAddress};

use crate::guest::{
    ACCEPTED, ACKNOWLEDGE, ADDRESSES, BUFFERS, CONFIGURATION, DISK, FEATURES, FEATURES_HALF, Guest,
    INTERRUPT, KICK, MEMORY, NEEDS_RESET, NEGOTIATED, QUEUE, QUEUE_MOST, QUEUE_READY, QUEUE_SIZE, READY, RNG,
    STATUS, VERSION_1, VSOCK, WRITE, disks, file,
};

fn guest() -> Guest {
    let file = file(&[0; 4096]);
    Guest::new(disks(&[(&file, 4096, Access::ReadOnly)]))
}

#[test]
fn each_device_says_what_it_is() {
    let guest = guest();
    for (device, kind) in [(VSOCK, 19), (RNG, 4), (DISK, 2)] {
        assert_eq!(guest.read(device, 0x00), u32::from_le_bytes(*b"virt"));
        assert_eq!(guest.read(device, 0x04), 2);
        assert_eq!(guest.read(device, 0x08), kind);
        guest.write(device, FEATURES_HALF, 1);
        assert_eq!(guest.read(device, FEATURES) & 1, 1, "VERSION_1");
    }
    assert_eq!(guest.read(VSOCK, CONFIGURATION), 3, "the guest's address");
    assert_eq!(guest.devices.oddities().strays, 0);
}

#[test]
fn the_kernel_is_told_where_devices_are() {
    let arguments = guest().devices.kernel_arguments();
    let expected = "virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6 \
                    virtio_mmio.device=4K@0xd0002000:7";
    assert_eq!(arguments, expected);
    let guest = guest();
    let kicks: Vec<_> = guest.devices.connections().map(|one| (one.kick_address, one.interrupt)).collect();
    assert_eq!(kicks, [(0xd000_0050, 5), (0xd000_1050, 6), (0xd000_2050, 7)]);
}

#[test]
fn an_address_of_no_device_reads_as_ones_and_is_counted() {
    let guest = guest();
    let mut bytes = [0; 8];
    for address in [0, DEVICES - 1, DEVICES + 3 * DEVICE_SIZE, u64::MAX] {
        guest.devices.mmio_read(address, &mut bytes);
        assert_eq!(bytes, [0xff; 8]);
        guest.devices.mmio_write(address, &bytes);
    }
    assert_eq!(guest.devices.oddities().unclaimed, 8);
}

#[test]
fn odd_accesses_change_nothing_and_are_counted() {
    let guest = guest();
    let mut strays = 0;
    for offset in (0..0x108).chain([0xffc, 0xffd, 0xfff]) {
        for length in [0, 1, 2, 3, 8, 16] {
            let mut bytes = vec![0; length];
            guest.devices.mmio_write(DEVICES + RNG * DEVICE_SIZE + offset, &bytes);
            strays += 1;
            guest.devices.mmio_read(DEVICES + RNG * DEVICE_SIZE + offset, &mut bytes);
            // Nothing is there of a configuration that is empty, and that can be read.
            let nothing = offset == CONFIGURATION && length == 0;
            strays += u64::from(!nothing);
            assert_eq!(bytes, vec![0xff; length]);
        }
    }
    assert_eq!(guest.devices.oddities().strays, strays);
    assert_eq!(guest.read(RNG, STATUS), 0);
}

#[test]
fn a_configuration_is_read_in_any_width_and_never_written() {
    let guest = guest();
    let base = DEVICES + VSOCK * DEVICE_SIZE + CONFIGURATION;
    let mut byte = [0];
    guest.devices.mmio_read(base, &mut byte);
    assert_eq!(byte, [3]);
    let mut all = [0; 8];
    guest.devices.mmio_read(base, &mut all);
    assert_eq!(u64::from_le_bytes(all), 3);
    guest.devices.mmio_read(base + 4, &mut all);
    assert_eq!(all, [0xff; 8]);
    guest.write(VSOCK, CONFIGURATION, 9);
    assert_eq!(guest.read(VSOCK, CONFIGURATION), 3);
    assert_eq!(guest.devices.oddities().strays, 2);
}

#[test]
fn a_driver_without_version_1_is_refused() {
    let guest = guest();
    assert_eq!(guest.negotiate(RNG, 0), 1 | 2);
    guest.write(RNG, STATUS, READY);
    assert!(guest.needs_reset(RNG));
}

#[test]
fn a_driver_that_accepts_what_is_not_offered_is_refused() {
    let guest = guest();
    for bit in [0, 28, 33, 38, 63] {
        assert_eq!(guest.negotiate(RNG, VERSION_1 | 1 << bit), 1 | 2, "{bit}");
    }
    assert_eq!(guest.negotiate(RNG, VERSION_1 | 1 << 29), NEGOTIATED);
}

#[test]
fn features_are_fixed_once_agreed() {
    let guest = guest();
    guest.negotiate(RNG, VERSION_1);
    guest.write(RNG, ACCEPTED, 0);
    assert_eq!(guest.devices.oddities().strays, 1);
    guest.write(RNG, STATUS, READY);
    assert_eq!(guest.read(RNG, STATUS), READY);
}

#[test]
fn status_bits_come_in_order_and_go_all_at_once() {
    let guest = guest();
    guest.write(RNG, STATUS, 4);
    assert!(guest.needs_reset(RNG), "ready without having agreed");
    guest.write(RNG, STATUS, 0);
    assert_eq!(guest.read(RNG, STATUS), 0);
    guest.negotiate(RNG, VERSION_1);
    guest.write(RNG, STATUS, 1);
    assert_eq!(guest.read(RNG, STATUS), NEGOTIATED, "taken away");
    guest.write(RNG, STATUS, NEGOTIATED | 1 << 8);
    assert_eq!(guest.read(RNG, STATUS), NEGOTIATED, "unknown");
    guest.write(RNG, STATUS, NEGOTIATED | 128);
    guest.write(RNG, STATUS, READY | 128);
    assert_eq!(guest.read(RNG, STATUS), READY | 128);
    guest.serve();
}

#[test]
fn a_queue_is_set_up_only_after_features_are_agreed() {
    let guest = guest();
    guest.set_up(RNG, 0, 8);
    assert_eq!(guest.read(RNG, QUEUE_READY), 0);
    guest.negotiate(RNG, VERSION_1);
    guest.set_up(RNG, 0, 8);
    assert_eq!(guest.read(RNG, QUEUE_READY), 1);
    // Fixed while it is ready.
    let strays = guest.devices.oddities().strays;
    guest.write(RNG, QUEUE_SIZE, 4);
    guest.write(RNG, QUEUE_READY, 1);
    assert_eq!(guest.devices.oddities().strays, strays + 2);
    guest.write(RNG, QUEUE_READY, 0);
    assert_eq!(guest.read(RNG, QUEUE_READY), 0);
}

#[test]
fn a_queue_that_does_not_exist_has_no_room() {
    let guest = guest();
    guest.negotiate(RNG, VERSION_1);
    for queue in [1, 2, u32::MAX] {
        guest.write(RNG, QUEUE, queue);
        assert_eq!(guest.read(RNG, QUEUE_MOST), 0);
        assert_eq!(guest.read(RNG, QUEUE_READY), 0);
        let strays = guest.devices.oddities().strays;
        guest.write(RNG, QUEUE_READY, 1);
        assert_eq!(guest.devices.oddities().strays, strays + 1);
    }
    assert!(!guest.needs_reset(RNG));
}

#[test]
fn a_bad_queue_breaks_the_device() {
    let good = [0x1_0000, 0x2_0000, 0x3_0000_u64];
    let bad = [
        (8, [0x1_0008, good[1], good[2]]),
        (8, [good[0], 0x2_0001, good[2]]),
        (8, [good[0], good[1], 0x3_0002]),
        (8, [MEMORY, good[1], good[2]]),
        (8, [good[0], MEMORY - 2, good[2]]),
        (8, [good[0], good[1], MEMORY - 8]),
        (8, [u64::MAX - 15, good[1], good[2]]),
        (8, [good[0], good[1], u64::MAX - 3]),
        (0, good),
        (3, good),
        (16, good),
        (0x1_0008, good),
        (u32::MAX, good),
    ];
    for (size, addresses) in bad {
        let guest = guest();
        guest.negotiate(RNG, VERSION_1);
        guest.write(RNG, QUEUE, 0);
        guest.write(RNG, QUEUE_SIZE, size);
        for (at, address) in (0..).zip(addresses) {
            guest.write(RNG, ADDRESSES + 0x10 * at, u32::try_from(address & 0xffff_ffff).unwrap());
            guest.write(RNG, ADDRESSES + 0x10 * at + 4, u32::try_from(address >> 32).unwrap());
        }
        guest.write(RNG, QUEUE_READY, 1);
        assert_eq!(guest.read(RNG, QUEUE_READY), 0, "{size} {addresses:x?}");
        assert!(guest.needs_reset(RNG));
        // And it is not served, whatever the driver says next.
        guest.write(RNG, STATUS, READY | NEEDS_RESET);
        guest.serve();
        assert_eq!(guest.devices.oddities().breakdowns, 1);
    }
}

#[test]
fn an_interrupt_stands_until_it_is_acknowledged() {
    let guest = guest();
    let mut queue = guest.start(RNG, 0, &[8]).remove(0);
    queue.post(0, &[(BUFFERS, 64, WRITE)]);
    guest.write(RNG, KICK, 0);
    guest.serve();
    assert_eq!(queue.take(), Some((0, 64)));
    assert_eq!(guest.read(RNG, INTERRUPT), 1);
    guest.write(RNG, ACKNOWLEDGE, 1);
    assert_eq!(guest.read(RNG, INTERRUPT), 0);
    let rng = guest.devices.connections().nth(1).unwrap();
    assert_eq!(rng.line.read().unwrap(), 1, "edges");
    assert!(rng.kick.read().unwrap() >= 1, "kicks");
}

#[test]
fn a_broken_device_interrupts_for_its_configuration() {
    let guest = guest();
    let mut queue = guest.start(RNG, 0, &[8]).remove(0);
    queue.offer(9);
    guest.serve();
    assert_eq!(guest.read(RNG, INTERRUPT), 2);
    assert!(guest.needs_reset(RNG));
    // Nothing else is served, and nothing is forgotten by a reset that the driver owes.
    queue.post(0, &[(BUFFERS, 64, WRITE)]);
    guest.serve();
    assert_eq!(queue.take(), None);
}

#[test]
fn an_interrupt_may_be_put_off() {
    let guest = guest();
    let event_index = 1 << 29;
    let mut queue = guest.start(RNG, event_index, &[8]).remove(0);
    // Not before the third.
    guest.memory.write_obj(2_u16, GuestAddress(queue.available + 4 + 2 * 8)).unwrap();
    for (request, interrupt) in [(0, 0), (1, 0), (2, 1)] {
        queue.post(request, &[(BUFFERS, 64, WRITE)]);
        guest.serve();
        assert_eq!(queue.take(), Some((request, 64)));
        assert_eq!(guest.read(RNG, INTERRUPT), interrupt);
    }
}

#[test]
fn random_bytes_are_random_and_few() {
    let guest = guest();
    let mut queue = guest.start(RNG, 0, &[8]).remove(0);
    queue.post(0, &[(BUFFERS, 32, WRITE)]);
    queue.post(1, &[(BUFFERS + 32, 32, WRITE)]);
    queue.post(2, &[(BUFFERS + 0x1000, 1 << 20, WRITE)]);
    queue.post(3, &[(BUFFERS, 32, 0)]);
    queue.post(4, &[(BUFFERS, 0, WRITE)]);
    guest.serve();
    let answers: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
    assert_eq!(answers, [(0, 32), (1, 32), (2, 256), (3, 0), (4, 0)]);
    let mut bytes = [[0; 32]; 2];
    for (at, bytes) in (0..).zip(&mut bytes) {
        guest.memory.read_slice(bytes, GuestAddress(BUFFERS + 32 * at)).unwrap();
        assert_ne!(*bytes, [0; 32]);
    }
    assert_ne!(bytes[0], bytes[1]);
}
