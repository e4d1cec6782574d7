//! A guest made of nothing but memory: a driver that does what it is told, right or wrong.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use mimobox_vmm::devices::{Access, Devices, Disk, Wiring};
use mimobox_vmm::layout::{DEVICE_SIZE, DEVICES};
use rustix::fs::{MemfdFlags, memfd_create};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Bytes of memory.
pub(crate) const MEMORY: u64 = 8 << 20;
/// Buffers of requests begin here; queues are below.
pub(crate) const BUFFERS: u64 = 1 << 20;

/// Numbers of the devices.
pub(crate) const VSOCK: u64 = 0;
pub(crate) const RNG: u64 = 1;
pub(crate) const DISK: u64 = 2;

/// Registers.
pub(crate) const FEATURES: u64 = 0x10;
pub(crate) const FEATURES_HALF: u64 = 0x14;
pub(crate) const ACCEPTED: u64 = 0x20;
pub(crate) const ACCEPTED_HALF: u64 = 0x24;
pub(crate) const QUEUE: u64 = 0x30;
pub(crate) const QUEUE_MOST: u64 = 0x34;
pub(crate) const QUEUE_SIZE: u64 = 0x38;
pub(crate) const QUEUE_READY: u64 = 0x44;
pub(crate) const KICK: u64 = 0x50;
pub(crate) const INTERRUPT: u64 = 0x60;
pub(crate) const ACKNOWLEDGE: u64 = 0x64;
pub(crate) const STATUS: u64 = 0x70;
pub(crate) const ADDRESSES: u64 = 0x80;
pub(crate) const CONFIGURATION: u64 = 0x100;

/// Status of a driver that has negotiated, and of one that is ready.
pub(crate) const NEGOTIATED: u32 = 1 | 2 | 8;
pub(crate) const READY: u32 = NEGOTIATED | 4;
pub(crate) const NEEDS_RESET: u32 = 64;

/// Flags of a descriptor.
pub(crate) const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;
pub(crate) const INDIRECT: u16 = 4;

/// A machine without processors.
pub(crate) struct Guest {
    pub(crate) memory: GuestMemoryMmap,
    pub(crate) devices: Arc<Devices>,
    /// The agent's client.
    pub(crate) client: UnixStream,
}

/// What a disk is made of.
pub(crate) fn file(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create("disk", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file
}

/// Disks of these files, as large as they say.
pub(crate) fn disks(files: &[(&File, u64, Access)]) -> Vec<Disk> {
    let disk = |&(file, capacity, access): &(&File, u64, Access)| Disk {
        file: file.try_clone().unwrap(),
        capacity,
        access,
    };
    files.iter().map(disk).collect()
}

pub(crate) fn memory() -> GuestMemoryMmap {
    GuestMemoryMmap::from_ranges(&[(GuestAddress(0), usize::try_from(MEMORY).unwrap())]).unwrap()
}

impl Guest {
    pub(crate) fn new(disks: Vec<Disk>) -> Self {
        let (client, agent) = UnixStream::pair().unwrap();
        let memory = memory();
        let devices = Devices::new(memory.clone(), Wiring { disks, agent }).unwrap();
        Self { memory, devices: Arc::new(devices), client }
    }

    pub(crate) fn read(&self, device: u64, register: u64) -> u32 {
        let mut word = [0; 4];
        self.devices.mmio_read(DEVICES + device * DEVICE_SIZE + register, &mut word);
        u32::from_le_bytes(word)
    }

    pub(crate) fn write(&self, device: u64, register: u64, value: u32) {
        self.devices.mmio_write(DEVICES + device * DEVICE_SIZE + register, &value.to_le_bytes());
    }

    /// Negotiates these features, and says what the device thinks of it.
    pub(crate) fn negotiate(&self, device: u64, features: u64) -> u32 {
        self.write(device, STATUS, 0);
        self.write(device, STATUS, 1);
        self.write(device, STATUS, 1 | 2);
        for half in 0..2 {
            self.write(device, ACCEPTED_HALF, half);
            self.write(device, ACCEPTED, u32::try_from(features >> (32 * half) & 0xffff_ffff).unwrap());
        }
        self.write(device, STATUS, NEGOTIATED);
        self.read(device, STATUS)
    }

    /// A driver that is ready, with queues of these sizes.
    pub(crate) fn start(&self, device: u64, features: u64, sizes: &[u16]) -> Vec<DriverQueue> {
        assert_eq!(self.negotiate(device, features | VERSION_1), NEGOTIATED);
        let queues: Vec<_> =
            (0..).zip(sizes).map(|(index, size)| self.set_up(device, index, *size)).collect();
        self.write(device, STATUS, READY);
        assert_eq!(self.read(device, STATUS), READY);
        queues
    }

    pub(crate) fn set_up(&self, device: u64, index: u32, size: u16) -> DriverQueue {
        let base = 0x1_0000 * (1 + u64::from(index) + 4 * device);
        let queue = DriverQueue {
            memory: self.memory.clone(),
            size,
            descriptors: base,
            available: base + 0x4000,
            used: base + 0x8000,
            next: 0,
            seen: 0,
        };
        self.write(device, QUEUE, index);
        self.write(device, QUEUE_SIZE, size.into());
        for (at, address) in (0..).zip([queue.descriptors, queue.available, queue.used]) {
            self.write(device, ADDRESSES + 0x10 * at, u32::try_from(address).unwrap());
            self.write(device, ADDRESSES + 0x10 * at + 4, 0);
        }
        self.write(device, QUEUE_READY, 1);
        queue
    }

    /// Lets the devices do all there is to do.
    pub(crate) fn serve(&self) {
        for _ in 0..10_000 {
            if !self.devices.serve() {
                return;
            }
        }
        panic!("devices never come to rest");
    }

    pub(crate) fn needs_reset(&self, device: u64) -> bool {
        self.read(device, STATUS) & NEEDS_RESET != 0
    }
}

/// `VIRTIO_F_VERSION_1`.
pub(crate) const VERSION_1: u64 = 1 << 32;

/// A queue as the driver sees it. Descriptors are used in turn, so a request is done before its descriptors come round.
pub(crate) struct DriverQueue {
    memory: GuestMemoryMmap,
    pub(crate) size: u16,
    pub(crate) descriptors: u64,
    pub(crate) available: u64,
    pub(crate) used: u64,
    next: u16,
    seen: u16,
}

/// A piece of a request: where, how long, and flags but for `NEXT`.
pub(crate) type Piece = (u64, u32, u16);

impl DriverQueue {
    pub(crate) fn describe(&self, index: u16, (address, length, flags): Piece, next: u16) {
        let place = self.descriptors + 16 * u64::from(index);
        let mut bytes = Vec::from(address.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        self.memory.write_slice(&bytes, GuestAddress(place)).unwrap();
    }

    /// Makes the chain that begins with this descriptor available.
    pub(crate) fn offer(&mut self, head: u16) {
        let place = self.available + 4 + 2 * u64::from(self.next % self.size);
        self.memory.write_obj(head, GuestAddress(place)).unwrap();
        self.next = self.next.wrapping_add(1);
        self.memory.write_obj(self.next, GuestAddress(self.available + 2)).unwrap();
    }

    /// Makes a chain of these pieces, from this descriptor on, and makes it available.
    pub(crate) fn post(&mut self, first: u16, pieces: &[Piece]) {
        for (at, &(address, length, flags)) in (first..).zip(pieces) {
            let last = usize::from(at - first) + 1 == pieces.len();
            self.describe(at, (address, length, if last { flags } else { flags | NEXT }), at + 1);
        }
        self.offer(first);
    }

    /// The next chain that came back: its descriptor, and bytes written.
    pub(crate) fn take(&mut self) -> Option<(u16, u32)> {
        let index: u16 = self.memory.read_obj(GuestAddress(self.used + 2)).unwrap();
        if index == self.seen {
            return None;
        }
        let place = self.used + 4 + 8 * u64::from(self.seen % self.size);
        self.seen = self.seen.wrapping_add(1);
        let head: u32 = self.memory.read_obj(GuestAddress(place)).unwrap();
        let written: u32 = self.memory.read_obj(GuestAddress(place + 4)).unwrap();
        Some((u16::try_from(head).unwrap(), written))
    }
}
