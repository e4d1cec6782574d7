//! Disks.

use std::fs::File;
use std::io::{Read, Seek};

use mimobox_vmm::devices::Access;
use vm_memory::{Bytes, GuestAddress};

use crate::guest::{
    BUFFERS, CONFIGURATION, DISK, DriverQueue, Guest, INDIRECT, MEMORY, NEXT, Piece, WRITE, disks, file,
};

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const OK: u8 = 0;
const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;

const HEADER: u64 = BUFFERS;
const STATUS: u64 = BUFFERS + 0x800;
const DATA: u64 = BUFFERS + 0x1000;

struct Stand {
    guest: Guest,
    queue: DriverQueue,
    file: File,
}

/// A disk of so many bytes, each its number's remainder by 251, and a ready driver.
fn stand(length: usize, capacity: u64, access: Access) -> Stand {
    let file = file(&pattern(0, length));
    let guest = Guest::new(disks(&[(&file, capacity, access)]));
    let queue = guest.start(DISK, 0, &[16]).remove(0);
    Stand { guest, queue, file }
}

fn pattern(begin: usize, length: usize) -> Vec<u8> {
    (begin..begin + length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

impl Stand {
    fn put_header(&self, kind: u32, sector: u64) {
        let mut header = Vec::from(kind.to_le_bytes());
        header.extend([0; 4]);
        header.extend(sector.to_le_bytes());
        self.guest.memory.write_slice(&header, GuestAddress(HEADER)).unwrap();
        self.guest.memory.write_slice(&[0xee], GuestAddress(STATUS)).unwrap();
    }

    /// A request with these pieces between header and status. Its status, and bytes written.
    fn request(&mut self, kind: u32, sector: u64, data: &[Piece]) -> (u8, u32) {
        self.put_header(kind, sector);
        let mut pieces = vec![(HEADER, 16, 0)];
        pieces.extend(data);
        pieces.push((STATUS, 1, WRITE));
        self.queue.post(0, &pieces);
        self.guest.serve();
        let (head, written) = self.queue.take().unwrap();
        assert_eq!(head, 0);
        (self.guest.memory.read_obj(GuestAddress(STATUS)).unwrap(), written)
    }

    fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.guest.memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
        bytes
    }

    fn whole_file(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.file.rewind().unwrap();
        self.file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The guest offers a chain that is none: nothing comes back, the device needs a reset, and works after one.
    fn breaks(mut self, offer: impl FnOnce(&mut DriverQueue)) {
        self.put_header(IN, 0);
        offer(&mut self.queue);
        self.guest.serve();
        assert_eq!(self.queue.take(), None);
        assert!(self.guest.needs_reset(DISK));
        assert_eq!(self.guest.devices.oddities().breakdowns, 1);
        self.guest.write(DISK, crate::guest::STATUS, 0);
        self.guest.memory.write_slice(&[0; 0x1_0000], GuestAddress(self.queue.available)).unwrap();
        self.queue = self.guest.start(DISK, 0, &[16]).remove(0);
        assert_eq!(self.request(IN, 0, &[(DATA, 512, WRITE)]), (OK, 513));
    }
}

#[test]
fn a_guest_reads_what_the_file_has() {
    let mut stand = stand(16384, 16384, Access::ReadOnly);
    let pieces = [(DATA, 512, WRITE), (DATA + 0x1000, 4096, WRITE), (DATA + 0x3000, 1024, WRITE)];
    assert_eq!(stand.request(IN, 3, &pieces), (OK, 5633));
    let mut read = stand.bytes(DATA, 512);
    read.extend(stand.bytes(DATA + 0x1000, 4096));
    read.extend(stand.bytes(DATA + 0x3000, 1024));
    assert_eq!(read, pattern(3 * 512, 5632));
}

#[test]
fn header_and_status_may_lie_in_any_pieces() {
    let mut stand = stand(4096, 4096, Access::ReadOnly);
    stand.put_header(IN, 1);
    // Data and status are one piece, the header three.
    let pieces = [(HEADER, 5, 0), (HEADER + 5, 0, 0), (HEADER + 5, 11, 0), (DATA, 513, WRITE)];
    stand.queue.post(0, &pieces);
    stand.guest.serve();
    assert_eq!(stand.queue.take(), Some((0, 513)));
    let mut expected = pattern(512, 512);
    expected.push(OK);
    assert_eq!(stand.bytes(DATA, 513), expected);
}

#[test]
fn a_guest_is_told_its_capacity_and_reads_no_further() {
    let mut stand = stand(8192, 1 << 40, Access::ReadOnly);
    assert_eq!(stand.guest.read(DISK, CONFIGURATION), 1 << 31);
    assert_eq!(stand.request(IN, 15, &[(DATA, 512, WRITE)]), (OK, 513));
    assert_eq!(stand.request(IN, 15, &[(DATA, 1024, WRITE)]), (IO_ERROR, 1));
    assert_eq!(stand.request(IN, 1 << 30, &[(DATA, 512, WRITE)]), (IO_ERROR, 1));
    assert_eq!(stand.request(IN, 1 << 31, &[(DATA, 512, WRITE)]), (IO_ERROR, 1));
    for sector in [u64::MAX, u64::MAX / 512, 1 << 55] {
        assert_eq!(stand.request(IN, sector, &[(DATA, 512, WRITE)]), (IO_ERROR, 1), "{sector}");
    }
}

#[test]
fn the_last_page_of_a_file_ends_with_zeros() {
    let mut stand = stand(4096 + 700, 1 << 20, Access::ReadOnly);
    stand.guest.memory.write_slice(&[0xaa; 4096], GuestAddress(DATA)).unwrap();
    assert_eq!(stand.request(IN, 8, &[(DATA, 4096, WRITE)]), (OK, 4097));
    let mut expected = pattern(4096, 700);
    expected.resize(4096, 0);
    assert_eq!(stand.bytes(DATA, 4096), expected);
    assert_eq!(stand.request(IN, 16, &[(DATA, 512, WRITE)]), (IO_ERROR, 1));
}

#[test]
fn a_guest_writes_where_it_may() {
    let mut stand = stand(4096, 8192, Access::ReadWrite);
    stand.guest.memory.write_slice(&[7; 1024], GuestAddress(DATA)).unwrap();
    assert_eq!(stand.request(OUT, 2, &[(DATA, 1024, 0)]), (OK, 1));
    let mut expected = pattern(0, 4096);
    expected[1024..2048].fill(7);
    assert_eq!(stand.whole_file(), expected);
    assert_eq!(stand.request(FLUSH, 0, &[]), (OK, 1));
    // Beyond the file's end, though within the capacity.
    assert_eq!(stand.request(OUT, 7, &[(DATA, 1024, 0)]), (IO_ERROR, 1));
    assert_eq!(stand.whole_file(), expected);
}

#[test]
fn a_read_only_disk_is_not_written() {
    let mut stand = stand(4096, 4096, Access::ReadOnly);
    assert_eq!(stand.request(OUT, 0, &[(DATA, 512, 0)]), (IO_ERROR, 1));
    assert_eq!(stand.whole_file(), pattern(0, 4096));
}

#[test]
fn other_requests_are_answered_too() {
    let mut stand = stand(4096, 4096, Access::ReadOnly);
    assert_eq!(stand.request(GET_ID, 0, &[(DATA, 20, WRITE)]), (OK, 21));
    assert_eq!(stand.request(GET_ID, 0, &[(DATA, 19, WRITE)]), (IO_ERROR, 1));
    assert_eq!(stand.request(11, 0, &[(DATA, 512, WRITE)]), (UNSUPPORTED, 1));
    assert_eq!(stand.request(u32::MAX, 0, &[]), (UNSUPPORTED, 1));
}

#[test]
fn requests_are_whole_sectors_and_not_endless() {
    let mut stand = stand(4096, 1 << 40, Access::ReadOnly);
    assert_eq!(stand.request(IN, 0, &[(DATA, 511, WRITE)]), (IO_ERROR, 1));
    assert_eq!(stand.request(IN, 0, &[]), (OK, 1));
    // Six times the same 4 MiB of memory.
    let large = [(BUFFERS + 0x10_0000, 4 << 20, WRITE); 6];
    assert_eq!(stand.request(IN, 0, &large), (IO_ERROR, 1));
}

#[test]
fn a_chain_that_loops_breaks_the_device() {
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| {
        queue.describe(0, (HEADER, 16, NEXT), 1);
        queue.describe(1, (DATA, 512, NEXT | WRITE), 1);
        queue.offer(0);
    });
}

#[test]
fn a_chain_that_leaves_its_table_breaks_the_device() {
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| {
        queue.describe(0, (HEADER, 16, NEXT), 16);
        queue.offer(0);
    });
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| queue.offer(16));
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| queue.offer(u16::MAX));
}

#[test]
fn a_buffer_outside_memory_breaks_the_device() {
    for (address, length) in
        [(MEMORY, 512), (MEMORY - 1, 512), (u64::MAX, 512), (u64::MAX - 511, 512), (DATA, u32::MAX)]
    {
        stand(4096, 4096, Access::ReadOnly)
            .breaks(|queue| queue.post(0, &[(HEADER, 16, 0), (address, length, WRITE), (STATUS, 1, WRITE)]));
        stand(4096, 4096, Access::ReadOnly)
            .breaks(|queue| queue.post(0, &[(address, length, 0), (STATUS, 1, WRITE)]));
    }
}

#[test]
fn a_chain_with_mixed_directions_breaks_the_device() {
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| {
        queue.post(0, &[(HEADER, 16, 0), (DATA, 512, WRITE), (DATA, 512, 0), (STATUS, 1, WRITE)])
    });
}

#[test]
fn a_chain_with_a_table_of_its_own_breaks_the_device() {
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| queue.post(0, &[(DATA, 64, INDIRECT)]));
}

#[test]
fn a_request_without_room_for_header_or_status_breaks_the_device() {
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| queue.post(0, &[(HEADER, 16, 0)]));
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| queue.post(0, &[(HEADER, 16, 0), (STATUS, 0, WRITE)]));
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| queue.post(0, &[(HEADER, 15, 0), (STATUS, 1, WRITE)]));
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| queue.post(0, &[(STATUS, 1, WRITE)]));
    stand(4096, 4096, Access::ReadOnly).breaks(|queue| queue.post(0, &[(HEADER, 0, 0)]));
}

#[test]
fn more_chains_than_a_queue_has_break_the_device() {
    let stand = stand(4096, 4096, Access::ReadOnly);
    let (memory, index) = (stand.guest.memory.clone(), stand.queue.available + 2);
    stand.breaks(|_| memory.write_obj(17_u16, GuestAddress(index)).unwrap());
}
